import type { NatsConnection } from "@nats-io/nats-core";

/** What nobody waits for waits itself so long for company, ms: a write to the socket costs more than what is in it. */
const COMPANY_MS = 5;
/** So many messages are company enough: what waits longer is moved by the garbage collector, and the server waits for work. */
const ENOUGH = 16;

/** What need not be sent at once over a connection: events and acks, in order. */
export interface Outbox {
  /** Sends a message with the next that is flushed, 5 ms from now at the latest, or when 16 wait. Over a closed or drained connection nothing is sent. */
  send(subject: string, body: Uint8Array): void;
  /** Sends what waits. Call it before anything is published at once: both go in one write. */
  flush(): void;
  /** Calls `then` when all that waits now has been sent; at once where nothing waits. */
  whenSent(then: () => void): void;
}

interface Waiting {
  readonly subject: string;
  readonly body: Uint8Array;
}

/** Nothing waits yet. */
export function openOutbox(nc: NatsConnection): Outbox {
  let waiting: Waiting[] = [];
  let thens: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;

  function publishAll(messages: readonly Waiting[]): void {
    try {
      for (const { subject, body } of messages) nc.publish(subject, body);
    } catch (error) {
      // It takes nothing any more: nobody waits for these, and in the timer's turn nobody could catch it.
      if (!nc.isClosed() && !nc.isDraining()) throw error;
    }
  }

  function flush(): void {
    if (waiting.length === 0) return;
    clearTimeout(timer);
    timer = undefined;
    const sent = waiting;
    const then = thens;
    waiting = [];
    thens = [];
    publishAll(sent);
    for (const call of then) call();
  }

  return {
    send(subject, body) {
      waiting.push({ subject, body });
      if (waiting.length >= ENOUGH) flush();
      else timer ??= setTimeout(flush, COMPANY_MS);
    },
    flush,
    whenSent(then) {
      if (waiting.length === 0) then();
      else thens.push(then);
    },
  };
}
