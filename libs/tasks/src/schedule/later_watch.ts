import type { MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "../wire/broker.ts";
import { headerOf, readHeaders, ROLLUP, SCHEDULE } from "../wire/headers.ts";
import { LATER } from "../wire/streams.ts";
import { checkLiteralSubject, isLiteralSubject } from "../wire/subject.ts";
import type { BrokerClock } from "./broker_clock.ts";
import { inParallel } from "./in_parallel.ts";
import type { Reporter } from "./reporter.ts";
import type { Stored } from "./stored_messages.ts";

/** Delayed messages that are looked after at most: what empties LATER takes those too. */
const TRACKED = 100_000;
/** A message that is due so soon may fire at any moment, ms. */
const SOON_MS = 2_000;
/** Of up to so many the subjects are listed at each look; of more only where the counts say that some are gone, and once in a while. */
const FEW = 5_000;
const LISTED_MS = 45_000;
const AT_ONCE = 64;
/** Subjects that an alarm names. */
const NAMED = 5;

/*
 * Who tracks what: the sweep of LATER reads each new message and calls `saw`. A tracked subject is forgotten when it is due soon, when
 * somebody publishes to it again, and when LATER was declared anew. What is tracked and not there, by a listing that came after, has
 * vanished before its time: nothing in Muster removes it.
 */

/** Notices when delayed tasks and retries vanish from LATER before their time. */
export interface LaterWatch extends Disposable {
  /** A good message that lies there. */
  saw(stored: Stored): void;
  /** Looks whether all are there still, and tells of those that are not. Throws where the broker is silent. */
  look(): Promise<void>;
}

interface Known {
  readonly dueAt: number;
  readonly seq: number;
  readonly storedAt: number;
}

export interface LaterWatchOptions {
  readonly broker: Broker;
  readonly clock: BrokerClock;
  readonly report: Reporter;
  /** Whether this process is the one that looks after LATER now: others hear the same. */
  isLed(): boolean;
}

/** Whether the server takes others' messages away for this one: by what it has in 2.15, a schedule on a pattern does so too. */
function empties(subject: string, headers: MsgHdrs | undefined): boolean {
  const rollup = headerOf(headers, ROLLUP);
  // A schedule replaces what lies on its subject, by a roll-up that the server adds; any other one beside it is refused.
  if (headerOf(headers, SCHEDULE) !== "") return rollup !== "all" && !isLiteralSubject(subject);
  if (rollup === "all") return true;
  return rollup === "sub" && (subject.startsWith("due.") || !isLiteralSubject(subject));
}

/** Watches until disposed of. Listens to `later.>` and `due.>`, where only clients' messages are heard, and not what the server fires. */
export function watchLater({ broker, clock, report, isLed }: LaterWatchOptions): LaterWatch {
  const tracked = new Map<string, Known>();
  let listedAtMs = performance.now();

  function tell(kind: string, text: string, details: Readonly<Record<string, unknown>>): void {
    report.alarm(`later ${kind}`, text, details);
    broker.keepIncident(kind, LATER, text);
  }

  const heard = ["later.>", "due.>"].map((filter) =>
    broker.nc.subscribe(filter, {
      callback(error, message) {
        // An error here is a permission's; what has gone is found all the same.
        if (error !== null) return;
        const { subject } = message;
        tracked.delete(subject);
        const { headers } = readHeaders(message);
        if (!isLed() || !empties(subject, headers)) return;
        const rollup = headerOf(headers, ROLLUP);
        const how = rollup === "" ? "whose subject is a pattern" : `with the header ${ROLLUP}: ${rollup}`;
        const text = `Somebody published a message on ${subject} ${how}: it empties LATER; forbid that client to publish there`;
        tell("rollup", text, { subject, rollup });
      },
    }),
  );

  /** Whether the counts leave open that all is there. */
  function mayBeWhole(first: number, messages: number): boolean {
    if (messages < tracked.size) return false;
    for (const { seq } of tracked.values()) return seq >= first;
    return true;
  }

  async function vanished(): Promise<readonly string[]> {
    const { state } = await broker.jsm.streams.info(LATER, { subjects_filter: "later.>" });
    listedAtMs = performance.now();
    const subjects = state.subjects ?? {};
    // The time is asked for after the listing: what was due by then may have fired.
    const firedBefore = clock.now() + SOON_MS;
    const gone: string[] = [];
    for (const [subject, { dueAt }] of tracked) {
      if (dueAt <= firedBefore) tracked.delete(subject);
      else if (!Object.hasOwn(subjects, subject)) gone.push(subject);
    }
    // A listing in several pages misses some where others go meanwhile.
    const found = await inParallel(gone, AT_ONCE, (subject) =>
      broker.jsm.streams.getMessage(LATER, { last_by_subj: checkLiteralSubject(subject) }),
    );
    // Whoever published to one of them meanwhile has been heard.
    return gone.filter((subject, index) => found[index] === null && tracked.has(subject));
  }

  return {
    saw({ subject, header, seq, time }) {
      const dueAt = Date.parse(headerOf(header, SCHEDULE).slice("@at ".length));
      if (Number.isNaN(dueAt) || tracked.size >= TRACKED) return;
      // The oldest stays first.
      tracked.delete(subject);
      tracked.set(subject, { dueAt, seq, storedAt: time.getTime() });
    },
    async look() {
      if (!isLed() || tracked.size === 0) return;
      const info = await broker.jsm.streams.info(LATER);
      // What was lost with the stream itself is told by whoever declared it anew.
      const createdAt = Date.parse(info.created);
      const soon = clock.now() + SOON_MS;
      for (const [subject, { dueAt, storedAt }] of tracked) {
        if (dueAt <= soon || storedAt < createdAt) tracked.delete(subject);
      }
      const isDue = tracked.size <= FEW || performance.now() - listedAtMs > LISTED_MS;
      if (!isDue && mayBeWhole(info.state.first_seq, info.state.messages)) return;
      const gone = await vanished();
      if (gone.length === 0) return;
      for (const subject of gone) tracked.delete(subject);
      const named = gone.slice(0, NAMED).join(", ") + (gone.length > NAMED ? ` and ${gone.length - NAMED} more` : "");
      tell(
        "vanished",
        `${gone.length} delayed tasks or retries vanished from LATER before their time, as by a roll-up, a purge or a deletion: ${named}; retries of the ledger are published again, publish the others again under their ids`,
        { count: gone.length, subjects: gone.slice(0, NAMED) },
      );
    },
    [Symbol.dispose]() {
      for (const subscription of heard) subscription.unsubscribe();
    },
  };
}
