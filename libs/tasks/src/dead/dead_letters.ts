// Tested by tests/src/cli/dead_test.ts
// Tested by tests/src/worker/requeue_test.ts
import { DeliverPolicy, type JsMsg } from "@nats-io/jetstream";
import type { MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import {
  DEAD_AT,
  DEAD_ERRORS,
  DEAD_REASON,
  DEAD_SUBJECT,
  readHeaders,
  TASK_ATTEMPT,
  TASK_ID,
} from "../format/headers.ts";
import { DEAD } from "../streams/streams.ts";
import { escapeToken, unescapeToken } from "../format/token.ts";

/** Selects dead letters. A field that is left out selects all. */
export interface DeadFilter {
  readonly task?: string | undefined;
  readonly vo?: string | undefined;
  readonly taskId?: string | undefined;
}

/** A dead letter in the stream DEAD. Its texts are unchanged: escape them before they reach a terminal or a page. */
export interface StoredDeadLetter {
  /** Its sequence in DEAD. */
  readonly sequence: number;
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  readonly reason: string;
  /** The errors of its attempts, oldest first; the newest eight. */
  readonly errors: readonly string[];
  /** RFC 3339. */
  readonly deadAt: string;
  /** The subject on which the task was stored. */
  readonly subject: string;
  readonly headers: MsgHdrs | undefined;
  readonly body: Uint8Array;
}

const PAGE = 1_000;

function filterSubject({ task, vo }: DeadFilter): string {
  if (task === undefined && vo === undefined) return "dead.>";
  const of = task === undefined ? "*" : escapeToken(task);
  return `dead.${of}.${vo === undefined ? ">" : vo.split(".").map(escapeToken).join(".")}`;
}

function namesOf(subject: string): { readonly task: string; readonly vo: string } {
  const [, task = "", ...vo] = subject.split(".");
  return { task: nameOf(task), vo: vo.map(nameOf).join(".") };
}

/** The text of a token; unchanged where somebody else wrote it. */
function nameOf(token: string): string {
  try {
    return unescapeToken(token);
  } catch {
    return token;
  }
}

function read(message: Pick<JsMsg, "subject" | "headers" | "seq" | "data">): StoredDeadLetter {
  const { subject, seq, data } = message;
  const { headers } = readHeaders(message);
  const attempt = Number(headers?.get(TASK_ATTEMPT) || 1);
  return {
    sequence: seq,
    ...namesOf(subject),
    taskId: headers?.get(TASK_ID) ?? "",
    attempt: Number.isSafeInteger(attempt) && attempt >= 1 ? attempt : 1,
    reason: headers?.get(DEAD_REASON) ?? "",
    errors: headers?.values(DEAD_ERRORS) ?? [],
    deadAt: headers?.get(DEAD_AT) ?? "",
    subject: headers?.get(DEAD_SUBJECT) ?? "",
    headers,
    body: data,
  };
}

/** Number of dead letters on the matching subjects. Ignores a filter by task id. */
export async function countDeadLetters(broker: Broker, filter: DeadFilter = {}): Promise<number> {
  // The stream holds nothing else, and a list of its subjects may be long.
  if (filter.task === undefined && filter.vo === undefined) return (await broker.jsm.streams.info(DEAD)).state.messages;
  const { state } = await broker.jsm.streams.info(DEAD, { subjects_filter: filterSubject(filter) });
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

/** Adds a letter to the page. It replaces older letters of the same task, and has its own place in the order. */
function keep(page: Map<string, StoredDeadLetter>, letter: StoredDeadLetter): void {
  const { task, vo, taskId, sequence } = letter;
  const key = taskId === "" ? `#${sequence}` : `${task} ${vo} ${taskId}`;
  page.delete(key);
  page.set(key, letter);
}

/**
 * The matching dead letters, oldest first, each task once in a page: by its newest letter. An id that several tasks or VOs have used
 * appears once for each of them.
 *
 * `after` is the sequence of the last letter seen. `headersOnly` leaves the bodies empty.
 */
export async function* deadLetters(
  broker: Broker,
  filter: DeadFilter = {},
  { after = 0, headersOnly = false }: { readonly after?: number; readonly headersOnly?: boolean } = {},
): AsyncGenerator<StoredDeadLetter> {
  const waiting = await countDeadLetters(broker, filter);
  if (waiting === 0) return;
  const consumer = await broker.js.consumers.get(DEAD, {
    filter_subjects: [filterSubject(filter)],
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    headers_only: headersOnly,
  });
  for (;;) {
    const page = new Map<string, StoredDeadLetter>();
    let pending = 0;
    let received = 0;
    const messages = await consumer.fetch({ max_messages: Math.min(PAGE, waiting), expires: 1_000 });
    for await (const message of messages) {
      received++;
      pending = message.info.pending;
      const letter = read(message);
      if (filter.taskId === undefined || filter.taskId === letter.taskId) keep(page, letter);
      if (pending === 0) break;
    }
    yield* page.values();
    if (received === 0 || pending === 0) return;
  }
}

/** There is no dead letter under this sequence. */
export class UnknownDeadLetterError extends Error {
  override readonly name = "UnknownDeadLetterError";
  readonly sequence: number;
  constructor(sequence: number) {
    super(
      `Cannot find dead letter ${sequence}: it was requeued or deleted, or never was; list them to see their sequences`,
    );
    this.sequence = sequence;
  }
}

/** The dead letter under a sequence of DEAD. Throws {@linkcode UnknownDeadLetterError}. */
export async function findDeadLetter({ jsm }: Pick<Broker, "jsm">, sequence: number): Promise<StoredDeadLetter> {
  const stored = await jsm.streams.getMessage(DEAD, { seq: sequence });
  if (stored === null) throw new UnknownDeadLetterError(sequence);
  return read({
    subject: stored.subject,
    get headers() {
      return stored.header;
    },
    seq: stored.seq,
    data: stored.data,
  });
}
