// Tested by tests/src/cli/dead_test.ts
// Tested by tests/src/worker/operate_test.ts
// Tested by tests/src/worker/requeue_test.ts
import type { MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { countSince } from "../broker/count_since.ts";
import { openReader, type ReadMessage } from "../broker/stream_reader.ts";
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
  /** Text that the reason holds, in any case. */
  readonly reason?: string | undefined;
  /** Only letters that were stored at this time or later, and before that one, by the broker's clock. */
  readonly diedAfter?: Date | undefined;
  readonly diedBefore?: Date | undefined;
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

/** Number of dead letters of one task and VO. Its names may be any text: anybody may publish. */
export interface DeadCount {
  readonly task: string;
  readonly vo: string;
  readonly count: number;
}

const PAGE = 1_000;

/** The subjects of the letters that a filter may mean. */
export function filterSubject({ task, vo }: DeadFilter): string {
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

/** The dead letter in a message. */
export function readLetter(
  message: Pick<ReadMessage, "subject" | "seq" | "data"> & { readonly headers?: MsgHdrs | undefined },
): StoredDeadLetter {
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

/** Number of dead letters of each task and VO that has some. Takes one request, and one more for each 100,000 subjects. */
export async function countDeadByQueue({ jsm }: Pick<Broker, "jsm">): Promise<readonly DeadCount[]> {
  const { state } = await jsm.streams.info(DEAD, { subjects_filter: "dead.>" });
  return Object.entries(state.subjects ?? {}).map(([subject, count]) => ({ ...namesOf(subject), count }));
}

/** Number of dead letters on the matching subjects, of any age and reason. */
async function countOnSubjects({ jsm }: Pick<Broker, "jsm">, filter: DeadFilter): Promise<number> {
  // The stream holds nothing else, and a list of its subjects may be long.
  if (filter.task === undefined && filter.vo === undefined) return (await jsm.streams.info(DEAD)).state.messages;
  const { state } = await jsm.streams.info(DEAD, { subjects_filter: filterSubject(filter) });
  return Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
}

async function countByReading(broker: Pick<Broker, "nc" | "jsm">, filter: DeadFilter): Promise<number> {
  const [from, isWanted] = [filter.diedAfter ?? 1, matcherOf(filter)];
  const source = { stream: DEAD, filter: filterSubject(filter), what: "dead letters", content: "headers" } as const;
  await using reader = await openReader(broker, { ...source, from });
  let count = 0;
  await reader.read((message) => {
    if (isWanted(message)) count++;
    return "more";
  });
  return count;
}

/**
 * Number of matching dead letters, each message by itself. Ignores a filter by task id. Letters are read only where a reason is asked for.
 */
export async function countDeadLetters(broker: Broker, filter: DeadFilter = {}): Promise<number> {
  const { reason, diedAfter, diedBefore } = filter;
  if (reason !== undefined) return await countByReading(broker, { ...filter, taskId: undefined });
  const since = (time: Date) => countSince(broker, { stream: DEAD, subjects: [filterSubject(filter)], since: time });
  const from = diedAfter === undefined ? await countOnSubjects(broker, filter) : await since(diedAfter);
  return from === 0 || diedBefore === undefined ? from : Math.max(0, from - (await since(diedBefore)));
}

interface PageOptions {
  /** Sequence behind which the pages begin, default 0. */
  readonly after?: number;
  /** Last sequence that is looked at. */
  readonly upTo?: number;
  readonly headersOnly?: boolean;
}

/** Tells which letters a filter by task id, reason or time means. The filter's task and VO stand in the subjects that are read. */
export function matcherOf({ taskId, reason, diedAfter, diedBefore }: DeadFilter): (message: ReadMessage) => boolean {
  const part = reason?.toLowerCase() ?? "";
  const [fromMs, toMs] = [diedAfter?.getTime() ?? 0, diedBefore?.getTime() ?? Number.POSITIVE_INFINITY];
  return (message) => {
    if (message.storedAtMs < fromMs || message.storedAtMs >= toMs) return false;
    if (taskId === undefined && part === "") return true;
    if (!message.mayHold(part)) return false;
    const { headers } = message;
    if (taskId !== undefined && (headers?.get(TASK_ID) ?? "") !== taskId) return false;
    return part === "" || (headers?.get(DEAD_REASON) ?? "").toLowerCase().includes(part);
  };
}

/** The matching letters, oldest first, as they are read. A page may be empty. */
async function* letterPages(
  broker: Pick<Broker, "nc" | "jsm">,
  filter: DeadFilter,
  { after = 0, upTo = Number.MAX_SAFE_INTEGER, headersOnly = false }: PageOptions = {},
): AsyncGenerator<readonly StoredDeadLetter[]> {
  const { diedAfter, diedBefore } = filter;
  const beforeMs = diedBefore?.getTime() ?? Number.POSITIVE_INFINITY;
  await using reader = await openReader(broker, {
    ...{ stream: DEAD, filter: filterSubject(filter), what: "dead letters" },
    ...{
      content: headersOnly ? "headers" : "whole",
      from: diedAfter === undefined || after > 0 ? after + 1 : diedAfter,
    },
  });
  const isWanted = matcherOf(filter);
  for (let state: "more" | "over" = "more"; state === "more"; ) {
    const page: StoredDeadLetter[] = [];
    state = await reader.read((message) => {
      if (message.seq > upTo || message.storedAtMs >= beforeMs) return "enough";
      if (isWanted(message)) page.push(readLetter(message));
      return "more";
    }, PAGE);
    yield page;
  }
}

/** Each matching letter, oldest first, also several of one task. Bodies are empty. */
export async function* matchingLetters(
  broker: Broker,
  filter: DeadFilter,
  { upTo }: Pick<PageOptions, "upTo"> = {},
): AsyncGenerator<StoredDeadLetter> {
  for await (const page of letterPages(broker, filter, {
    headersOnly: true,
    ...(upTo === undefined ? {} : { upTo }),
  })) {
    yield* page;
  }
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
  for await (const letters of letterPages(broker, filter, { after, headersOnly })) {
    const page = new Map<string, StoredDeadLetter>();
    for (const letter of letters) keep(page, letter);
    yield* page.values();
  }
}

/** A part of the matching dead letters, oldest first. */
export interface DeadList {
  readonly letters: readonly StoredDeadLetter[];
  /** Number of all that match, each message by itself. */
  readonly total: number;
  /** Whether more come behind them. */
  readonly hasMore: boolean;
}

/**
 * The first letters behind the sequence `after` as {@linkcode deadLetters} has them, without their bodies, and how many match in all. Where a reason is
 * asked for, the headers of all letters are read, once.
 */
export async function listDeadLetters(
  broker: Broker,
  filter: DeadFilter,
  { after = 0, limit }: { readonly after?: number; readonly limit: number },
): Promise<DeadList> {
  const isRead = filter.reason !== undefined;
  const letters: StoredDeadLetter[] = [];
  let total = 0;
  let hasMore = false;
  for await (const found of letterPages(broker, filter, { after: isRead ? 0 : after, headersOnly: true })) {
    total += found.length;
    const page = new Map<string, StoredDeadLetter>();
    for (const letter of found) if (letter.sequence > after) keep(page, letter);
    hasMore ||= letters.length + page.size > limit;
    letters.push(...page.values().take(limit - letters.length));
    if (hasMore && !isRead) break;
  }
  return { letters, hasMore, total: isRead ? total : await countDeadLetters(broker, filter) };
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
  return readLetter({
    subject: stored.subject,
    get headers() {
      return stored.header;
    },
    seq: stored.seq,
    data: stored.data,
  });
}
