import { JetStreamApiError, type PubAck } from "@nats-io/jetstream";
import {
  type Msg,
  type MsgHdrs,
  type NatsConnection,
  NoRespondersError,
  RequestError,
  TimeoutError,
} from "@nats-io/nats-core";
import { newInbox } from "./connection.ts";
import { onForbidden } from "./forbidden.ts";
import type { Outbox } from "./outbox.ts";
import { noteFailure, type Storage } from "./storage.ts";

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
  // All wait equally long, so the first in the map is the first to be late.
  const pending = new Map<string, Asked>();
  let last = 0;
  let timer: NodeJS.Timeout | undefined;

  function take(inbox: string): Asked | undefined {
    const asked = pending.get(inbox);
    pending.delete(inbox);
    return asked;
  }

  function endLate(): void {
    timer = undefined;
    const nowMs = performance.now();
    for (const [inbox, { deadlineMs }] of pending) {
      if (deadlineMs > nowMs) {
        timer = setTimeout(endLate, deadlineMs - nowMs).unref();
        return;
      }
      take(inbox)?.reject(new TimeoutError());
    }
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
    const asked = take(answer.subject);
    const isNobody = answer.data.length === 0 && answer.headers?.code === NO_RESPONDERS;
    if (isNobody) asked?.reject(new NoRespondersError(asked.subject));
    else asked?.resolve(answer);
  }

  listen();
  onForbidden(nc, (error) => {
    const isOurInbox = error.operation === "subscription" && error.subject === inboxes;
    if (isOurInbox) isListening = false;
    if (!isOurInbox && error.operation !== "publish") return;
    for (const [inbox, { subject }] of pending) {
      if (isOurInbox || subject === error.subject) take(inbox)?.reject(error);
    }
  });
  void nc.closed().then((cause) => {
    clearTimeout(timer);
    for (const inbox of [...pending.keys()]) {
      take(inbox)?.reject(new RequestError("the connection to NATS was closed", { cause }));
    }
  });

  function ask({ subject, body, headers }: Question): Promise<Msg> {
    const { promise, resolve, reject } = Promise.withResolvers<Msg>();
    const reply = `${prefix}.${++last}`;
    outbox?.flush();
    listen();
    nc.publish(subject, body, headers === undefined ? { reply } : { reply, headers });
    pending.set(reply, { subject, deadlineMs: performance.now() + timeoutMs, resolve, reject });
    timer ??= setTimeout(endLate, timeoutMs).unref();
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
