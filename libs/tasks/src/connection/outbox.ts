import type { NatsConnection } from "@nats-io/nats-core";

/** Longest delay of a message in the outbox, so that several share one write, ms. A write to the socket costs more than its content. */
const COMPANY_MS = 5;
/** Number of waiting messages that are sent without further delay. Longer waits cost garbage collection, and leave the server idle. */
const ENOUGH = 16;

/** Messages that need not be sent at once over a connection, in order: events and acks. */
export interface Outbox {
  /**
   * Adds a message. It is sent with the next flush: after at most 5 ms, or when 16 messages wait. Over a closed or draining connection
   * nothing is sent.
   */
  send(subject: string, body: Uint8Array): void;
  /** Sends all that waits. Call it before you publish something at once: both then share one write. */
  flush(): void;
  /** Calls `then` when all that waits now has been sent; at once where nothing waits. */
  whenSent(then: () => void): void;
}

interface Waiting {
  readonly subject: string;
  readonly body: Uint8Array;
}

/** Opens an empty outbox. */
export function openOutbox(nc: NatsConnection): Outbox {
  let waiting: Waiting[] = [];
  let thens: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;

  function publishAll(messages: readonly Waiting[]): void {
    try {
      for (const { subject, body } of messages) nc.publish(subject, body);
    } catch (error) {
      // The connection accepts nothing any more. Nobody waits for these messages, and nobody could catch an error of the timer.
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
