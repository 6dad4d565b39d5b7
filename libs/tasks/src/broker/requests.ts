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
import { NumberedItems } from "../connection/numbered_items.ts";
import { noteFailure, type Storage } from "../streams/storage.ts";

/** A message to send, and to be answered. */
export interface Question {
  readonly subject: string;
  readonly body: Uint8Array | string;
  readonly headers?: MsgHdrs;
}

/**
 * Requests over one connection, as `nc.request` has them and for half the CPU: that makes two errors with their stack traces for each
 * request, whether it fails or not (decision 21).
 */
export interface Requests {
  /**
   * Sends a message and answers with the first reply.
   *
   * Throws `ForbiddenError` as soon as the server refuses it, `NoRespondersError`, `TimeoutError`, `RequestError` when the connection is closed meanwhile, and what publishing throws.
   */
  ask(question: Question): Promise<Msg>;
  /** Stores a message in its stream. Throws as `ask` does, `StorageLimitError` where there is no room, and `JetStreamApiError` where JetStream refuses it. */
  store(question: Question): Promise<PubAck>;
}

interface Asked {
  readonly subject: string;
  readonly deadlineMs: number;
  readonly resolve: (answer: Msg) => void;
  readonly reject: (error: Error) => void;
}

const NO_RESPONDERS = 503;
/** A timer that fires so late tells that this process stood still, ms; then it has so long to read what has come. */
const LATE_MS = 100;
const READ_MS = 250;
const decoder = new TextDecoder();

function readAck(answer: Msg): PubAck {
  const ack = JSON.parse(decoder.decode(answer.data));
  if (ack.error !== undefined) throw new JetStreamApiError(ack.error);
  return { ...ack, duplicate: ack.duplicate === true };
}

interface RequestsOptions {
  /** How long each waits for its answer. */
  readonly timeoutMs: number;
  /** What waits there goes along with each request. */
  readonly outbox?: Outbox | undefined;
  /** Told what becomes of each message that is to be stored. */
  readonly storage?: Storage | undefined;
}

/** Opens requests. They end with the connection. */
export function openRequests(nc: NatsConnection, { timeoutMs, outbox, storage }: RequestsOptions): Requests {
  const prefix = newInbox(nc);
  const pending = new NumberedItems<Asked>();
  let timer: NodeJS.Timeout | undefined;

  function look(inMs: number): void {
    const dueAtMs = performance.now() + inMs;
    timer = setTimeout(() => {
      // Where this process stood still the answers are there, and have not been read.
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

  /** The client forgets a subscription that the server has refused, so it is tried again with the next question. */
  function listen(): void {
    if (isListening) return;
    isListening = true;
    nc.subscribe(inboxes, { callback: hear });
  }

  function hear(error: Error | null, answer: Msg): void {
    // A refusal is heard of below.
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
      nc.publish(subject, body, headers === undefined ? { reply } : { reply, headers });
    } catch (error) {
      pending.take(number);
      throw error;
    }
    if (timer === undefined) look(timeoutMs);
    return promise;
  }

  return {
    // Nothing is thrown before there is a promise to reject.
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
