import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";

/** After a refusal the server is asked again so often, ms: the right may be granted while we run. */
const AGAIN_MS = 5_000;

export interface LastingSubscription extends Disposable {
  /** Whether the server lets us listen, as far as is known. */
  readonly isOpen: boolean;
}

/**
 * Subscribes until disposed of, and again every 5 s where the server refuses: the client forgets a subscription that was refused, and
 * the server takes one away when it reads other permissions. A reconnect keeps it.
 *
 * Nobody is told here of the refusal; `watchPermissions` tells of all.
 */
export function subscribeLasting(
  nc: NatsConnection,
  { subject, queue }: { readonly subject: string; readonly queue?: string },
  hear: (message: Msg) => void,
): LastingSubscription {
  let isOver = false;
  let subscription: Subscription | undefined;
  let timer: NodeJS.Timeout | undefined;

  function open(): void {
    if (isOver || nc.isClosed() || nc.isDraining()) return;
    subscription = nc.subscribe(subject, {
      ...(queue === undefined ? {} : { queue }),
      callback(error, message) {
        if (error === null) return hear(message);
        subscription = undefined;
        timer = setTimeout(open, AGAIN_MS).unref();
      },
    });
  }

  open();
  return {
    get isOpen() {
      return subscription !== undefined;
    },
    [Symbol.dispose]() {
      isOver = true;
      clearTimeout(timer);
      subscription?.unsubscribe();
    },
  };
}
