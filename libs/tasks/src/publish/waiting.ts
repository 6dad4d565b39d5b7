import type { Broker } from "../broker/broker.ts";
import { hashOfReadable } from "../definition/payload.ts";
import { checkTaskName, InvalidNameError } from "../format/names.ts";
import { parseLongSubject, parseTaskSubject, type TaskAddress } from "../format/subject.ts";
import { LATER, TASKS } from "../streams/streams.ts";

/** Number of messages that the streams hold of one task and VO. */
export interface Waiting extends TaskAddress {
  /** In TASKS: they wait for a worker, or run. */
  readonly ready: number;
  /** In LATER: they wait for their time, or for their retry. */
  readonly delayed: number;
}

/** The address in `subject`; undefined where it holds none: the sweeper says what is wrong with it. */
function addressIn(subject: string): TaskAddress | undefined {
  try {
    return subject.startsWith("later.") ? parseLongSubject(subject) : parseTaskSubject(subject);
  } catch (error) {
    if (error instanceof InvalidNameError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/**
 * Counts what waits or runs, by task and VO and in their order; only of one task where `task` is given. Leaves out addresses with nothing.
 *
 * Takes three requests, and one more for each 100,000 subjects. Throws when nobody answers, and `InvalidNameError`.
 */
export async function listWaiting({ jsm }: Pick<Broker, "jsm">, task?: string): Promise<readonly Waiting[]> {
  const of = task === undefined ? "*" : checkTaskName(task);
  async function subjectsOf(stream: string, prefix: string): Promise<[string, number][]> {
    const { state } = await jsm.streams.info(stream, { subjects_filter: `${prefix}.${of}.>` });
    return Object.entries(state.subjects ?? {});
  }
  const counts = new Map<string, { task: string; vo: string; ready: number; delayed: number }>();
  function count(subject: string, messages: number, as: "ready" | "delayed"): void {
    const address = addressIn(subject);
    if (address === undefined) return;
    const key = `${address.task}.${address.vo}`;
    const known = counts.get(key) ?? { task: address.task, vo: address.vo, ready: 0, delayed: 0 };
    known[as] += messages;
    counts.set(key, known);
  }
  // LATER first: a message that fires between the two is then counted twice, and not missed.
  for (const [subject, messages] of await subjectsOf(LATER, "later")) count(subject, messages, "delayed");
  for (const [subject, messages] of await subjectsOf(LATER, "due")) count(subject, messages, "delayed");
  for (const [subject, messages] of await subjectsOf(TASKS, "tasks")) count(subject, messages, "ready");
  return [...counts.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, waiting]) => waiting);
}

/** What a stored message holds. */
export interface StoredTask extends TaskAddress {
  /** As rows of the ledger have it; undefined where its body is no payload. */
  readonly payloadHash: string | undefined;
}

/** The message at `sequence` of `stream`; undefined where it is gone, or is no task. Throws when nobody answers. */
export async function findStored(
  { jsm }: Pick<Broker, "jsm">,
  { stream, sequence }: { readonly stream: string; readonly sequence: number },
): Promise<StoredTask | undefined> {
  const stored = await jsm.streams.getMessage(stream, { seq: sequence });
  if (stored === null) return undefined;
  const address = addressIn(stored.subject);
  if (address === undefined) return undefined;
  return { task: address.task, vo: address.vo, payloadHash: hashOfReadable(address.task, stored.data) };
}
