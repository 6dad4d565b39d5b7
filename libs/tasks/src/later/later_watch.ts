import type { Msg, MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { headerOf, readHeaders, ROLLUP, SCHEDULE } from "../format/headers.ts";
import { subscribeLasting } from "../connection/lasting_subscription.ts";
import { LATER } from "../streams/streams.ts";
import { checkLiteralSubject, isLiteralSubject } from "../format/subject.ts";
import type { BrokerClock } from "../lead/broker_clock.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { createLaterMemory, type Known, type LaterMemory } from "./later_memory.ts";
import type { Reporter } from "../lead/reporter.ts";
import { restoreLater } from "./restore_later.ts";
import { nextStored, type Stored } from "../broker/stored_messages.ts";
import { hearTaken } from "./taken_by_hand.ts";

/** Time before a message is due in which it may fire at any moment, ms. */
const SOON_MS = 2_000;
/**
 * Greatest number of messages whose subjects are listed at each look. Of more they are listed once in a while, and when the counts show a
 * loss.
 */
const FEW = 5_000;
const LISTED_MS = 45_000;
const AT_ONCE = 64;
/** Time after a publish in which the server has stored or refused it, ms. */
const SETTLED_MS = 2_000;
/** Greatest number of subjects that an alarm names. */
const NAMED = 5;

/**
 * Notices when delayed tasks and retries vanish from LATER before their time, and stores again what a roll-up took.
 *
 * What a listing does not show has vanished, unless Muster itself has taken it away, as the message of a cancelled task.
 *
 * Where a message was heard that empties LATER, the vanished ones are stored again: their identity makes a repeat harmless. Where none was
 * heard, somebody may have meant it.
 *
 * Only what was read in LATER is stored again. What was published just before may have been refused, so it is named and not stored.
 */
export interface LaterWatch extends Disposable {
  /** The sweep has read a good message in LATER. */
  saw(stored: Stored): void;
  /** Reads in LATER what clients have just published. Throws where the broker is silent. */
  readHeard(): Promise<void>;
  /** Looks whether all messages are still there, and reports those that are not. Throws where the broker is silent. */
  look(): Promise<void>;
}

export interface LaterWatchOptions {
  readonly broker: Broker;
  readonly clock: BrokerClock;
  readonly report: Reporter;
  /** Whether this process looks after LATER now. Others hear the same. */
  isLed(): boolean;
}

/** Whether the server removes other messages for this one. A schedule on a pattern does so too (nats-server 2.15). */
function empties(subject: string, headers: MsgHdrs | undefined): boolean {
  const rollup = headerOf(headers, ROLLUP);
  // A schedule replaces what is on its subject, by a roll-up that the server adds. The server refuses it with any other roll-up header.
  if (headerOf(headers, SCHEDULE) !== "") return rollup !== "all" && !isLiteralSubject(subject);
  if (rollup === "all") return true;
  return rollup === "sub" && (subject.startsWith("due.") || !isLiteralSubject(subject));
}

/** Hears what clients publish on `later.>` and `due.>`. What the server itself fires is not heard. */
function listen({ nc }: Broker, hear: (message: Msg) => void): Disposable {
  const listening = new DisposableStack();
  for (const subject of ["later.>", "due.>"]) listening.use(subscribeLasting(nc, { subject }, hear));
  return listening;
}

/** Which messages are no longer in LATER, and the subjects that are. */
interface Finding {
  readonly vanished: Map<string, Known>;
  isThere(subject: string): boolean;
}

/** Finds known messages that are no longer in LATER, though they are due only after `dueAfter`. */
async function findVanished({ jsm }: Broker, memory: LaterMemory, dueAfter: () => number): Promise<Finding> {
  const { state } = await jsm.streams.info(LATER, { subjects_filter: "later.>" });
  const subjects = state.subjects ?? {};
  // The time is asked for after the listing: a message that was due by then may have fired.
  const vanished = memory.missing(subjects, dueAfter());
  // A listing of several pages misses messages while others go.
  const asked = [...vanished.keys()];
  const found = await inParallel(asked, AT_ONCE, (subject) =>
    jsm.streams.getMessage(LATER, { last_by_subj: checkLiteralSubject(subject) }),
  );
  for (const [index, subject] of asked.entries()) {
    if (found[index] !== null || !memory.knows(subject)) vanished.delete(subject);
  }
  return { vanished, isThere: (subject) => Object.hasOwn(subjects, subject) };
}

/** Stores again every message of which there is a copy. Returns the subjects of those stored. */
async function restore(broker: Broker, vanished: ReadonlyMap<string, Known>): Promise<ReadonlySet<string>> {
  const restored = new Set<string>();
  await inParallel([...vanished], AT_ONCE, async ([subject, { copy }]) => {
    if (copy !== undefined && (await restoreLater(broker, subject, copy))) restored.add(subject);
  });
  return restored;
}

function nameSome(subjects: readonly string[]): string {
  const more = subjects.length - NAMED;
  return subjects.slice(0, NAMED).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

function describe(subjects: readonly string[], restored: number): string {
  const number = subjects.length;
  const what = number === 1 ? "1 delayed task or retry vanished" : `${number} delayed tasks or retries vanished`;
  const named = nameSome(subjects);
  const again = "retries of the ledger come again by themselves, publish the others again under their ids";
  const some = restored === 0 ? again : `${restored} were stored again as they were; ${again}`;
  const rest = restored === number ? "all were stored again as they were" : some;
  return `${what} from LATER before their time, as by a roll-up, a purge or a deletion: ${named}; ${rest}`;
}

function describeUnproven(subjects: readonly string[]): string {
  const what = subjects.length === 1 ? "1 delayed task or retry" : `${subjects.length} delayed tasks or retries`;
  return (
    `LATER was emptied just after somebody had published ${what}, which may have been lost: ${nameSome(subjects)}; ` +
    "nobody knows whether the server had stored them, so they are not stored again; publish them again under their ids"
  );
}

/**
 * Reads in LATER what clients have just published.
 *
 * Each subject is read at once, and again once the server has surely decided. What then has no news was refused, or was a duplicate.
 */
async function readHeard({ jsm }: Broker, memory: LaterMemory, clock: BrokerClock): Promise<void> {
  const settledBefore = performance.now() - SETTLED_MS;
  const unread = [...memory.heardSubjects].filter(([, { isRead, heardAt }]) => !isRead || heardAt < settledBefore);
  await inParallel(unread, AT_ONCE, async ([subject, heard]) => {
    const stored = await nextStored(jsm, LATER, { from: 1, subject });
    const now = memory.heardSubjects.get(subject);
    // Somebody has published there again meanwhile.
    if (now !== undefined && now !== heard) return;
    if (stored !== null) memory.saw(stored);
    if (memory.heardSubjects.get(subject) !== heard) return;
    const isSettled = heard.heardAt < settledBefore;
    // The new message has replaced the tracked one, and has fired.
    if (isSettled && stored === null && heard.dueAt <= clock.now() + SOON_MS) memory.forget(subject);
    memory.readWithoutNews(subject, isSettled);
  });
}

/** Watches until disposed of. */
export function watchLater({ broker, clock, report, isLed }: LaterWatchOptions): LaterWatch {
  const memory = createLaterMemory();
  let listedAtMs = performance.now();
  /**
   * When a message was heard that empties LATER, by the broker's clock; undefined: none since the last look. The listener writes it, the
   * next look reads and clears it.
   */
  let emptiedAt: number | undefined;

  function tell(kind: string, text: string, details: Readonly<Record<string, unknown>>): void {
    report.alarm(`later ${kind}`, text, details);
    broker.keepIncident({ kind, about: LATER, text, isLoss: details["count"] !== details["restored"] });
  }

  const listening = new DisposableStack();
  listening.use(hearTaken(broker, memory));
  const hear = (message: Msg) => {
    const { subject, data } = message;
    const { headers } = readHeaders(message);
    if (!isLed() || !empties(subject, headers)) {
      if (isLiteralSubject(subject) && subject.startsWith("later.")) memory.heard(subject, { data, headers });
      return;
    }
    const rollup = headerOf(headers, ROLLUP);
    // A roll-up of one subject of due.> removes what has fired there, and nothing that waits. What is due in these seconds fires as usual.
    const isOfWaiting = rollup === "all" || subject.startsWith("later.");
    if (isOfWaiting) {
      emptiedAt ??= clock.now();
      memory.emptied();
    }
    const how = rollup === "" ? "whose subject is a pattern" : `with the header ${ROLLUP}: ${rollup}`;
    const what = isOfWaiting ? "it empties LATER" : "it takes what is due there out of LATER";
    const text = `Somebody published a message on ${subject} ${how}: ${what}; forbid that client to publish there`;
    tell("rollup", text, { subject, rollup });
  };
  listening.use(listen(broker, hear));

  /** `since`: when LATER was emptied; undefined: it was not, as far as we heard. */
  async function lookSince(since: number | undefined): Promise<void> {
    const { created, state } = await broker.jsm.streams.info(LATER);
    // What was removed before its time cannot have fired.
    const dueAfter = () => since ?? clock.now() + SOON_MS;
    memory.prune({ dueBefore: dueAfter(), storedBefore: Date.parse(created) });
    const isDue = since !== undefined || memory.tracked <= FEW || performance.now() - listedAtMs > LISTED_MS;
    if (!isDue && memory.mayBeWhole(state.first_seq, state.messages)) return;
    listedAtMs = performance.now();
    const taken = [...memory.takenSubjects.keys()];
    const { vanished, isThere } = await findVanished(broker, memory, dueAfter);
    for (const subject of taken) if (isThere(subject)) memory.keepAgain(subject);
    for (const [subject, { isOurs }] of vanished) {
      if (isOurs !== true) continue;
      memory.forget(subject);
      vanished.delete(subject);
    }
    // It may have been replaced, and the new one may have fired. The next look knows.
    if (since === undefined) for (const subject of memory.heardSubjects.keys()) vanished.delete(subject);
    const restored = since === undefined ? new Set<string>() : await restore(broker, vanished);
    const subjects = [...vanished.keys()];
    // A message that was stored again is heard and read as a new one.
    for (const subject of subjects) if (!restored.has(subject)) memory.forget(subject);
    const unproven = since === undefined ? [] : memory.takeUnproven(isThere);
    if (subjects.length > 0)
      tell("vanished", describe(subjects, restored.size), { count: subjects.length, restored: restored.size });
    if (unproven.length > 0) tell("unproven", describeUnproven(unproven), { count: unproven.length });
  }

  async function look(): Promise<void> {
    // A message heard from now on belongs to the next look.
    const since = emptiedAt;
    emptiedAt = undefined;
    if (!isLed() || memory.isEmpty) return;
    try {
      await lookSince(since);
    } catch (error) {
      emptiedAt = since ?? emptiedAt;
      throw error;
    }
  }

  return {
    saw: (stored) => memory.saw(stored),
    async readHeard() {
      if (isLed()) await readHeard(broker, memory, clock);
    },
    look,
    [Symbol.dispose]: () => listening[Symbol.dispose](),
  };
}
