import type { NatsConnection } from "@nats-io/nats-core";
import { eventHeaders } from "../format/event_lines.ts";
import { type Line, LineJoiner } from "./joined_lines.ts";
import { publishTogether, type TextMessage } from "./publish_together.ts";

/** Longest delay of what is in the outbox, so that several share one write, ms. A write to the socket costs more than its content. */
const COMPANY_MS = 5;
/** Number of waiting messages and lines that go without further delay. Longer waits cost garbage collection, and leave the server idle. */
const ENOUGH = 16;
/** The same where several servers agree on each group of acks and events that comes together, which costs more (decision 105). */
const ENOUGH_REPLICATED = 192;

/** What need not be sent at once over a connection: events and acks. */
export interface Outbox {
  /**
   * Adds a message. It is sent with the next flush: after at most 5 ms, or when 16 messages and lines wait (192 where TASKS has several
   * copies). Over a closed or draining connection nothing is sent. Messages keep their order.
   */
  send(subject: string, body: string): void;
  /**
   * Adds an event. It is sent with the next flush too, before the messages. Events of one subject travel as one message where they wait for
   * the same flush (decision 99).
   */
  tell(event: Line): void;
  /** Sends all that waits. Call it before you publish something at once: both then share one write. */
  flush(): void;
  /** Calls `then` when all that waits now has been sent; at once where nothing waits. */
  whenSent(then: () => void): void;
}

/** Opens an empty outbox. `isReplicated` says whether TASKS has several copies now. */
export function openOutbox(nc: NatsConnection, isReplicated: () => boolean = () => false): Outbox {
  let events = new LineJoiner();
  let messages: TextMessage[] = [];
  let waiting = 0;
  let thens: (() => void)[] = [];
  let timer: NodeJS.Timeout | undefined;

  function publishAll(told: LineJoiner, sent: readonly TextMessage[]): void {
    const all: TextMessage[] = [];
    for (const joined of told) {
      all.push({ subject: joined.subject, headers: eventHeaders(joined.count), body: joined.body() });
    }
    all.push(...sent);
    try {
      publishTogether(nc, all);
    } catch (error) {
      // The connection accepts nothing any more. Nobody waits for these messages, and nobody could catch an error of the timer.
      if (!nc.isClosed() && !nc.isDraining()) throw error;
    }
  }

  function flush(): void {
    if (waiting === 0) return;
    clearTimeout(timer);
    timer = undefined;
    const [told, sent, then] = [events, messages, thens];
    events = new LineJoiner();
    messages = [];
    waiting = 0;
    thens = [];
    publishAll(told, sent);
    for (const call of then) call();
  }

  function count(): void {
    waiting++;
    if (waiting >= ENOUGH && (waiting >= ENOUGH_REPLICATED || !isReplicated())) flush();
    else timer ??= setTimeout(flush, COMPANY_MS);
  }

  return {
    send(subject, body) {
      messages.push({ subject, body });
      count();
    },
    tell(event) {
      events.add(event);
      count();
    },
    flush,
    whenSent(then) {
      if (waiting === 0) then();
      else thens.push(then);
    },
  };
}
