import { JetStreamApiError, type PubAck } from "@nats-io/jetstream";
import {
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from "@nats-io/nats-core";
import { newInbox } from "../connection/connection.ts";
import { onForbidden } from "../connection/forbidden.ts";
import type { Outbox } from "../connection/outbox.ts";
import { publishTogether } from "../connection/publish_together.ts";
import { NumberedItems } from "../connection/numbered_items.ts";
import { noteFailure, type Storage } from "../streams/storage.ts";

/** A message that expects an answer. */
export interface Question {
  readonly subject: string;
  readonly body: Uint8Array | string;
  readonly headers?: MsgHdrs;
}

/**
 * Requests over one connection, like `nc.request` at half the CPU. For each request `nc.request` makes two errors with stack traces, even
 * where none fails (decision 21).
 */
export interface Requests {
  /**
   * Sends a message and returns the first reply.
   *
   * Throws `ForbiddenError` as soon as the server refuses it. Throws `NoRespondersError`, `TimeoutError`, `RequestError` when the
   * connection is closed before the reply, and what publishing throws.
   */
  ask(question: Question): Promise<Msg>;
  /**
   * Stores a message in its stream. Throws what `ask` throws, `StorageLimitError` where there is no room, and `JetStreamApiError` where
   * JetStream refuses it.
   */
  store(question: Question): Promise<PubAck>;
}

/** A question that waits for its answer. `ask` writes it; the subscription and the timer settle it. */
interface Asked {
  readonly subject: string;
  readonly deadlineMs: number;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (error: Error) => void;
}

const NO_RESPONDERS = 503;
/** Smallest delay of a timer that shows a standstill of this process, ms. */
const LATE_MS = 100;
/** Time that this process then has to read the answers that have arrived, ms. */
const READ_MS = 250;
const decoder = new TextDecoder();

function readAck(answer: Msg): PubAck {
  const ack = JSON.parse(decoder.decode(answer.data));
  if (ack.error !== undefined) throw new JetStreamApiError(ack.error);
  return { ...ack, duplicate: ack.duplicate === true };
}

interface RequestsOptions {
  /** Longest wait for an answer, ms. */
  readonly timeoutMs: number;
  /** Its waiting messages are sent with each request. */
  readonly outbox?: Outbox | undefined;
  /** Is told the result of each message that has to be stored. */
  readonly storage?: Storage | undefined;
}

/** Opens requests over `nc`. They end with the connection. */
export function openRequests(nc: NatsConnection, { timeoutMs, outbox, storage }: RequestsOptions): Requests {
  const prefix = newInbox(nc);
  const pending = new NumberedItems<Asked>();
  let timer: NodeJS.Timeout | undefined;

  function look(inMs: number): void {
    const dueAtMs = performance.now() + inMs;
    timer = setTimeout(() => {
      // After a standstill of this process the answers have arrived, and are not read yet.
      if (performance.now() - dueAtMs > LATE_MS) look(READ_MS);
      else endLate();
    }, inMs).unref();
  }

  function endLate(): void {
    timer = undefined;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [number, { deadlineMs }] of pending.entries()) {
      if (deadlineMs > nowMs) nextMs = Math.min(nextMs, deadlineMs);
      else pending.take(number)?.reject(new TimeoutError());
    }
    if (Number.isFinite(nextMs)) look(nextMs - nowMs);
  }

  const inboxes = `${prefix}.*`;
  let isListening = false;

  /** Subscribes for answers. The client forgets a subscription that the server has refused, so the next question tries again. */
  function listen(): void {
    if (isListening) return;
    isListening = true;
    nc.subscribe(inboxes, { callback: hear });
  }

  function hear(error: Error | null, answer: Msg): void {
    // `onForbidden` below reports a refusal.
    if (error !== null) return;
    const asked = pending.take(Number(answer.subject.slice(prefix.length + 1)));
    const isNobody = answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS;
    if (isNobody) asked?.reject(new NoRespondersError(asked.subject));
    else asked?.resolve(answer);
  }

  listen();
  onForbidden(nc, (error) => {
    const isOurInbox = error.operation === "subscription" && error.subject === inboxes;
    if (isOurInbox) isListening = false;
    if (!isOurInbox && error.operation !== "publish") return;
    for (const [number, { subject }] of pending.entries()) {
      if (isOurInbox || subject === error.subject) pending.take(number)?.reject(error);
    }
  });
  void nc.closed().then((cause) => {
    clearTimeout(timer);
    for (const [number] of pending.entries()) {
      pending.take(number)?.reject(new RequestError("the connection to NATS was closed", { cause }));
    }
  });

  function ask({ subject, body, headers }: Question): Promise<Msg> {
    const { promise, resolve, reject } = Promise.withResolvers<Msg>();
    const number = pending.put({ subject, deadlineMs: performance.now() + timeoutMs, resolve, reject });
    const reply = `${prefix}.${number}`;
    try {
      outbox?.flush();
      listen();
      if (typeof body === "string") publishTogether(nc, [{ subject, reply, headers, body }]);
      else nc.publish(subject, body, headers === undefined ? { reply } : { reply, headers });
    } catch (error) {
      pending.take(number);
      throw error;
    }
    if (timer === undefined) look(timeoutMs);
    return promise;
  }

  return {
    // The function is asynchronous so that an error always rejects the promise, and is never thrown before there is one.
    ask: async (question) => ask(question),
    async store(question) {
      try {
        const ack = readAck(await ask(question));
        storage?.noteStored(question.subject);
        return ack;
      } catch (cause) {
        throw noteFailure(storage, question.subject, cause);
      }
    },
  };
}
