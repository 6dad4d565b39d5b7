import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";

/** Delay of the next attempt after a refusal, ms. The right may be granted while we run. */
const AGAIN_MS = 5_000;

export interface LastingSubscription extends Disposable {
  /** Whether the server lets us listen, as far as we know. */
  readonly isOpen: boolean;
}

/**
 * Subscribes until disposed of, and subscribes again every 5 s where the server refuses.
 *
 * The client forgets a refused subscription. The server also ends one when it reads other permissions. A reconnect keeps it.
 *
 * The refusal is not reported here: `watchPermissions` reports all refusals.
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
