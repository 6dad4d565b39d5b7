// Tested by libs/tasks/src/broker/stream_reader_test.ts
import { AckPolicy, DeliverPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { type Msg, type MsgHdrs, nanos, NoRespondersError, nuid, RequestError, TimeoutError } from "@nats-io/nats-core";
import { newInbox } from "../connection/connection.ts";
import { onForbidden } from "../connection/forbidden.ts";
import { readAckReply } from "../format/delivery.ts";
import { readHeaders } from "../format/headers.ts";
import type { Broker } from "./broker.ts";

/** Greatest number of messages of one pull, and of their bytes. The server has so many of them in its memory for us. */
const PAGE = 5_000;
const PAGE_BYTES = 8 * 1024 * 1024;
/** Time after which the server removes a consumer that nobody deleted, ms. */
const INACTIVE_MS = 30_000;
/** Longest silence of the server while messages are to come, ms, and time between two looks at it. */
const SILENT_MS = 10_000;
const LOOK_MS = 1_000;
/** Longest time for which a new consumer may be unheard of at our server, ms: on a cluster. Time between two pulls meanwhile, ms. */
const UNHEARD_MS = 5_000;
const AGAIN_MS = 50;
/** Statuses of a pull that end it without a message. */
const NOBODY = 503;
const NO_MESSAGES = 404;

/** What is read. */
export interface ReaderOptions {
  readonly stream: string;
  /** A filter that Muster makes, or several. */
  readonly filter: string | readonly string[];
  /** The first sequence that is read, or the time of storing from which on. */
  readonly from: number | Date;
  /** `headers`: the server leaves the bodies out. */
  readonly content: "whole" | "headers";
  /** What the messages are, for the name of the consumer and its description, as `dead letters`. */
  readonly what: "dead letters" | "events" | "audit records";
}

/** A message as it was read. Its headers and texts are decoded when they are asked for. */
export interface ReadMessage extends Pick<Msg, "subject" | "data"> {
  readonly seq: number;
  /** When it was stored, by the broker's clock, ms since the epoch. */
  readonly storedAtMs: number;
  /** Undefined also where they cannot be read: a publisher that writes to the socket itself may send any bytes. */
  readonly headers: MsgHdrs | undefined;
  /**
   * Whether some header may have `text`, in any case; false: none has it. It costs a fifth of what reading the headers does. `text` is in lower
   * case.
   */
  mayHold(text: string): boolean;
}

/** Reads messages of a stream in their order, once. Disposing of it deletes its consumer. */
export interface StreamReader extends AsyncDisposable {
  /** Number of messages that match, from the first one on. */
  readonly pending: number;
  /**
   * Calls `visit` for each message in order: until it returns `enough`, all were seen, or `most` were; default all. Its memory does not grow with
   * their number. Returns `more` where it ended at `most`: the next call goes on there. Throws when the broker is silent, and what `visit`
   * throws.
   */
  read(visit: (message: ReadMessage) => "more" | "enough", most?: number): Promise<"more" | "over">;
}

/** How headers begin. No value can hold it, since none has an end of line. */
const HEADERS = Buffer.from("NATS/1.0\r\n");

/** A message before us. A class, since of 200,000 objects with getters of their own each would cost more than its message. */
class Read implements ReadMessage {
  readonly seq: number;
  readonly pending: number;
  readonly #storedAtNs: string;
  readonly #message: Msg;
  constructor(message: Msg) {
    const { streamSequence, pending, storedAtNs } = readAckReply(message.reply ?? "");
    this.seq = streamSequence;
    this.pending = pending;
    this.#storedAtNs = storedAtNs;
    this.#message = message;
  }
  get subject(): string {
    return this.#message.subject;
  }
  get data(): Uint8Array {
    return this.#message.data;
  }
  get headers(): MsgHdrs | undefined {
    return readHeaders(this.#message).headers;
  }
  get storedAtMs(): number {
    return Math.floor(Number(this.#storedAtNs) / 1e6);
  }
  mayHold(text: string): boolean {
    // The client keeps a message's headers in the bytes before its body, as they came. It reads them at the first question for one.
    const { buffer, byteOffset } = this.#message.data;
    const before = Buffer.from(buffer, 0, byteOffset);
    const from = before.lastIndexOf(HEADERS);
    return from < 0 || before.toString("utf8", from).toLowerCase().includes(text);
  }
}

/** A name and a description, so that `nats consumer ls` and `report` show what a consumer of ours is for. No two names are the same. */
export function namedReader(does: string): { readonly name: string; readonly description: string } {
  const words = does.split(" since ", 1)[0] ?? "";
  return {
    name: `muster_${words.replaceAll(" ", "_")}_${nuid.next()}`,
    description: `Muster: ${does}; lapses by itself`,
  };
}

/** Why a pull ends without a message. */
interface Status {
  readonly code: number | undefined;
  readonly description: string | undefined;
  /** Number of messages that it asked for and did not get; undefined: the server does not say. */
  readonly pending: number | undefined;
}

function statusOf({ headers }: Msg): Status {
  const left = headers?.get("Nats-Pending-Messages") ?? "";
  return { code: headers?.code, description: headers?.description, pending: left === "" ? undefined : Number(left) };
}

interface Reading {
  readonly stream: string;
  readonly consumer: string;
  visit(message: ReadMessage): "more" | "enough";
  /** Greatest number of messages. */
  readonly most: number;
}

/**
 * Pulls until all was seen. One pull is under way at a time.
 *
 * The client's own `fetch` makes an iterator and three objects for each message, and waits for a second where fewer come than were asked for.
 */
async function pullAll({ nc }: Pick<Broker, "nc">, reading: Reading): Promise<"more" | "over"> {
  const { stream, consumer, visit, most } = reading;
  const closedError = () => new RequestError("the connection to NATS was closed");
  if (nc.isClosed()) throw closedError();
  const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
  const reply = newInbox(nc);
  const { promise: over, resolve, reject } = Promise.withResolvers<"more" | "over">();
  const beganMs = performance.now();
  let heardAtMs = beganMs;
  let received = 0;
  let left = 0;

  function pull(): void {
    left = Math.min(PAGE, most - received);
    if (nc.isClosed()) return;
    nc.publish(subject, JSON.stringify({ batch: left, max_bytes: PAGE_BYTES, no_wait: true }), { reply });
  }

  function hearStatus({ code = 0, description = "", pending }: Status): void {
    const isUnheard = received === 0 && performance.now() - beganMs < UNHEARD_MS;
    if ((code === NOBODY || code === NO_MESSAGES) && isUnheard) setTimeout(pull, AGAIN_MS).unref();
    else if (code === NOBODY) reject(new NoRespondersError(subject));
    else if (code === NO_MESSAGES) resolve("over");
    else if (pending === undefined)
      reject(new Error(`Cannot read ${stream} to its end: ${code} ${description}; try again`));
    // A pull that has reached its bytes is followed by the next. One whose messages have all come was followed by then.
    else if (pending > 0) pull();
  }

  function hear(message: Msg): void {
    heardAtMs = performance.now();
    if (message.reply) hearMessage(new Read(message));
    else hearStatus(statusOf(message));
  }

  function hearMessage(message: Read): void {
    received++;
    left--;
    if (visit(message) === "enough" || message.pending === 0) resolve("over");
    else if (received === most) resolve("more");
    else if (left === 0) pull();
  }

  const subscription = nc.subscribe(reply, {
    callback(error, message) {
      try {
        if (error !== null) reject(error);
        else hear(message);
      } catch (cause) {
        reject(cause);
      }
    },
  });
  const stop = onForbidden(nc, (error) => {
    if (error.subject === subject || error.subject === reply) reject(error);
  });
  const timer = setInterval(() => {
    if (nc.isClosed()) reject(closedError());
    else if (performance.now() - heardAtMs > SILENT_MS) reject(new TimeoutError());
  }, LOOK_MS).unref();
  try {
    pull();
    return await over;
  } finally {
    stop();
    clearInterval(timer);
    subscription.unsubscribe();
  }
}

/**
 * Makes a consumer that begins at a sequence or time, and reads nothing yet: `pending` tells how much there is. A look-up of each message by
 * itself would take some hundred times as long. Throws when nobody answers.
 */
export async function openReader(
  { nc, jsm }: { readonly nc: Broker["nc"]; readonly jsm: JetStreamManager },
  { stream, filter, from, content, what }: ReaderOptions,
): Promise<StreamReader> {
  const start =
    typeof from === "number"
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from) }
      : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.toISOString() };
  const { name, num_pending: pending } = await jsm.consumers.add(stream, {
    ...namedReader(`reads ${what}`),
    ...start,
    // One filter alone stands in the subject of the request too, by which rights of NATS may tell.
    ...(typeof filter === "string" ? { filter_subject: filter } : { filter_subjects: [...filter] }),
    ack_policy: AckPolicy.None,
    mem_storage: true,
    headers_only: content === "headers",
    inactive_threshold: nanos(INACTIVE_MS),
  });
  return {
    pending,
    async read(visit, most = Number.POSITIVE_INFINITY) {
      return pending === 0 ? "over" : await pullAll({ nc }, { stream, consumer: name, visit, most });
    },
    async [Symbol.asyncDispose]() {
      // Where it cannot be deleted it lapses by itself.
      if (!nc.isClosed()) await jsm.consumers.delete(stream, name).catch(() => undefined);
    },
  };
}
