import type { Broker } from "../broker/broker.ts";
import { listWaitingIds } from "../broker/waiting_ids.ts";
import { headerOf, storedHeaders, TASK_ID } from "../format/headers.ts";
import { dueSubject, isLiteralSubject, parseLongSubject, type TaskAddress, taskSubject } from "../format/subject.ts";
import { LATER } from "../streams/streams.ts";

/** A task whose message is looked for. */
export interface LookedFor extends TaskAddress {
  readonly taskId: string;
  /** Where its message was stored; undefined: not known. */
  readonly stored?: { readonly stream: string; readonly sequence: number } | undefined;
}

/** Whether the message is still where it was stored. One request. */
async function isInPlace({ jsm }: Pick<Broker, "jsm">, { stored, taskId, ...of }: LookedFor): Promise<boolean> {
  if (stored === undefined) return false;
  const message = await jsm.streams.getMessage(stored.stream, { seq: stored.sequence });
  if (message === null || headerOf(storedHeaders(message), TASK_ID) !== taskId) return false;
  return stored.stream === LATER || message.subject === taskSubject(of);
}

/** The subject in LATER under which a task, or a retry of it, waits for its time; undefined: none. */
export async function findInLater(
  { jsm }: Pick<Broker, "jsm">,
  { task, vo, taskId }: TaskAddress & { readonly taskId: string },
): Promise<string | undefined> {
  const { state } = await jsm.streams.info(LATER, { subjects_filter: `later.${task}.${vo}.*` });
  for (const subject of Object.keys(state.subjects ?? {}).filter(isLiteralSubject)) {
    const last = lastOf(subject);
    if (last === taskId || last?.startsWith(`${taskId}~`)) return subject;
    // A unique task lies under its key, and not under its id.
    if (last?.startsWith("\0") && (await idAt(jsm, subject)) === taskId) return subject;
  }
  return undefined;
}

function lastOf(subject: string): string | undefined {
  try {
    return parseLongSubject(subject).last;
  } catch {
    return undefined; // the sweep reports a subject that Muster did not make
  }
}

async function idAt(jsm: Broker["jsm"], subject: string): Promise<string> {
  const stored = await jsm.streams.getMessage(LATER, { last_by_subj: subject });
  return stored === null ? "" : headerOf(storedHeaders(stored), TASK_ID);
}

/** Whether something of this task name and VO has fired in LATER and has not come to TASKS yet. Its id is not in its subject. */
async function hasFired({ jsm }: Pick<Broker, "jsm">, of: TaskAddress): Promise<boolean> {
  const { state } = await jsm.streams.info(LATER, { subjects_filter: dueSubject(of) });
  return Object.keys(state.subjects ?? {}).length > 0;
}

/**
 * Whether a task's message may still be in LATER or TASKS. One request where it is where it was stored.
 *
 * A message goes one way: TASKS, LATER for a retry, TASKS again. Each is looked at twice, in turns, so that a moving message is met.
 * Where too many messages wait to look at all, it may be one of them.
 */
export async function isStillThere(broker: Pick<Broker, "jsm">, sought: LookedFor): Promise<boolean> {
  if (await isInPlace(broker, sought)) return true;
  for (let turn = 0; turn < 2; turn++) {
    if ((await findInLater(broker, sought)) !== undefined || (await hasFired(broker, sought))) return true;
    const { ids, complete } = await listWaitingIds(broker, sought);
    if (!complete || ids.has(sought.taskId)) return true;
  }
  return false;
}
