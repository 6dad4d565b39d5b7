// Tested by libs/tasks/src/cancel/find_message_test.ts
// Tested by tests/src/cli/cancel_test.ts
import type { Broker } from "../broker/broker.ts";
import { nextStored, type Stored } from "../broker/stored_messages.ts";
import { walkStream } from "../broker/walk_stream.ts";
import { temporal } from "../calendar/temporal.ts";
import { boundId, taskIdOf } from "../format/delivery.ts";
import { headerOf, MSG_ID, TASK_ID } from "../format/headers.ts";
import { isLiteralSubject, parseLongSubject, type TaskAddress } from "../format/subject.ts";
import { unescapeToken } from "../format/token.ts";
import { LATER, TASKS } from "../streams/streams.ts";

/** Greatest number of messages of TASKS that are looked at, and of their bytes; a second's work. */
const MAX_MESSAGES = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** A message of a task that waits. */
export interface FoundMessage extends TaskAddress {
  /** `LATER`: it waits for its time or its retry. `TASKS`: it waits for a worker, or runs. */
  readonly stream: typeof LATER | typeof TASKS;
}

/** The same, with the message itself. */
export interface FoundStored extends FoundMessage {
  readonly stored: Stored;
}

/** The id in the last token of a subject of LATER, without the attempt of a retry. */
export function idsInLaterSubject(subject: string): readonly string[] {
  const token = subject.slice(subject.lastIndexOf(".") + 1);
  try {
    const id = unescapeToken(token);
    return [id, id.replace(/~\d+$/, "")];
  } catch {
    return [token]; // another client has its own use of "="
  }
}

/** The id under which a message of LATER will run. */
export function idOfLaterMessage({ subject, header }: Pick<Stored, "subject" | "header">): string {
  return boundId(headerOf(header, TASK_ID) || headerOf(header, MSG_ID) || (idsInLaterSubject(subject)[0] ?? ""));
}

/** The messages in LATER of tasks whose ids `isWanted`. Throws when nobody answers. */
export async function findInLater(
  { jsm }: Pick<Broker, "jsm">,
  isWanted: (id: string) => boolean,
): Promise<readonly Stored[]> {
  const { state } = await jsm.streams.info(LATER, { subjects_filter: "later.>" });
  const subjects = Object.keys(state.subjects ?? {}).filter(
    // A subject that is a pattern would be looked up as one. The sweep reports it.
    (subject) =>
      isLiteralSubject(subject) &&
      // A unique task lies under its key, which begins with NUL as no id does.
      idsInLaterSubject(subject).some((id) => id.startsWith("\0") || isWanted(boundId(id))),
  );
  const found: Stored[] = [];
  for (const subject of subjects) {
    const stored = await nextStored(jsm, LATER, { from: 1, subject });
    if (stored !== null && isWanted(idOfLaterMessage(stored))) found.push(stored);
  }
  return found;
}

/**
 * Where the message of a task is: in one of the streams, in none of them, or `unknown` where too many wait to look at all. Throws when
 * nobody answers.
 */
export async function findMessage(
  broker: Pick<Broker, "jsm">,
  taskId: string,
): Promise<FoundMessage | "nowhere" | "unknown"> {
  const found = await findStoredMessage(broker, taskId);
  if (typeof found === "string") return found;
  const { stream, task, vo } = found;
  return { stream, task, vo };
}

/** Looks through what is to run now: TASKS, or what has fired in LATER and has not come to TASKS yet. */
async function findToRun(
  { jsm }: Pick<Broker, "jsm">,
  { stream, filter }: { readonly stream: FoundMessage["stream"]; readonly filter: string },
  taskId: string,
): Promise<FoundStored | "nowhere" | "unknown"> {
  const { state } = await jsm.streams.info(stream);
  let found: FoundStored | undefined;
  const walk = {
    ...{ stream, filter, first: state.first_seq, last: state.last_seq },
    ...{ maxMessages: MAX_MESSAGES, maxBytes: MAX_BYTES },
  };
  const seenTo = await walkStream(jsm, walk, (stored) => {
    const { subject, header, seq, timestamp } = stored;
    const storedAtNs = temporal.Instant.from(timestamp).epochNanoseconds.toString();
    if (taskIdOf(header, { stream, streamSequence: seq, storedAtNs }) !== taskId) return;
    // A worker has no other way to read it, and refuses what makes no sense.
    const [, task = "", ...vo] = subject.split(".");
    found = { stream, task, vo: vo.join("."), stored };
  });
  return found ?? (seenTo >= state.last_seq ? "nowhere" : "unknown");
}

/** Looks through LATER: for what waits for its time, and for what has fired. On a cluster that may lie there for some seconds. */
async function findDelayed(broker: Pick<Broker, "jsm">, taskId: string): Promise<FoundStored | "nowhere" | "unknown"> {
  const [delayed] = await findInLater(broker, (id) => id === taskId);
  if (delayed === undefined) return await findToRun(broker, { stream: LATER, filter: "due.>" }, taskId);
  const { task, vo } = parseLongSubject(delayed.subject);
  return { stream: LATER, task, vo, stored: delayed };
}

/**
 * Like {@linkcode findMessage}, with the message itself. LATER is looked through again after TASKS: a task that ran meanwhile may wait there for
 * its retry.
 */
export async function findStoredMessage(
  broker: Pick<Broker, "jsm">,
  taskId: string,
): Promise<FoundStored | "nowhere" | "unknown"> {
  const first = await findDelayed(broker, taskId);
  if (typeof first === "object") return first;
  const waiting = await findToRun(broker, { stream: TASKS, filter: "tasks.>" }, taskId);
  if (typeof waiting === "object") return waiting;
  const again = await findDelayed(broker, taskId);
  if (typeof again === "object") return again;
  return [first, waiting, again].includes("unknown") ? "unknown" : "nowhere";
}
