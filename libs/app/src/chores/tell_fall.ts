// Tested by tests/src/restore/restore_test.ts
import type { Broker } from "@muster/tasks";
import type { StoreFall } from "@muster/tasks/operate";

/** Tasks that ended in the time of which one store knows nothing any more. */
export interface Counted {
  /** By the ledger where NATS fell, with retries; by events where the database did. */
  readonly ended: number;
  /** Of these, the ones that were given up. */
  readonly dead: number;
}

/** Where all of it is told at length. */
const PAGE = "see docs/how-to/runbooks/back-up-and-restore.md";

const shortly = (at: string) => at.replace(/\.\d+Z$/, "Z");
const counted = (number: number, what: string) => `${number} ${what}${number === 1 ? "" : "s"}`;

/** A number of messages of a stream, as a reader knows them. */
function messagesOf(stream: string, number: number): string {
  const bucket = /^KV_(.+)$/.exec(stream)?.[1];
  if (bucket === undefined) return `${counted(number, "message")} of ${stream}`;
  return `${number} ${number === 1 ? "entry" : "entries"} of bucket ${bucket}`;
}

/** Describes a fall in one line: what is gone, what comes again by itself, and what is left to do. */
export function describeFall(fall: StoreFall, { ended, dead }: Counted): string {
  const until = shortly(fall.until);
  if (fall.kind === "NATS is new") {
    return `NATS was made anew: what it held at ${until} is lost. The ledger has what ended before; children and retries that wait are published again only where LATER alone had them. Publish the rest again; ${PAGE}`;
  }
  if (fall.kind === "the database is new") {
    return `The database was made anew, or restored to a state from before it had marks: outcomes and effects of up to ${until} are gone, and those tasks do not run again. NATS has gone on. Publish them again, or restore a newer backup; ${PAGE}`;
  }
  const since = shortly(fall.since);
  if (fall.kind === "the database fell") {
    const events = `${counted(ended, "task")} done and ${dead} given up, by the events that are kept`;
    return `The database was restored to its state of ${since}, and NATS has gone on since, up to ${until} at least. Outcomes and effects of that time are gone (${events}). Those tasks do not run again, unless the outbox, a child or a retry brings them; then a task without a ledger runs twice. Publish again what must have its effect; ${PAGE}`;
  }
  const restored = "restored from a backup, or without the newest messages";
  const streams = fall.streams.map(({ stream }) => stream).join(", ");
  const head = fall.isWhole
    ? `NATS went back to its state of ${since}: ${restored}`
    : `${streams} went back to the state of ${since}, and the rest of NATS did not: ${restored}`;
  const lost = fall.streams
    .filter(({ lost: number }) => number > 0)
    .map(({ stream, lost: number }) => messagesOf(stream, number))
    .join(", ");
  const what = lost === "" ? "" : `: at least ${lost}`;
  const known = `The ledger has ${counted(ended, "outcome")} since, ${dead} of them of tasks that were given up`;
  return `${head}. What was stored there from then until ${until} is gone${what}. ${known}; those tasks have no second effect. Their children, and retries, come again by themselves. Tasks without a ledger may run again. Publish again what else was published in that time, and look at configuration and pauses; ${PAGE}`;
}

/** Tells a fall by an alarm, and keeps it for `muster doctor`. */
export function tellFall({ observer, keepIncident }: Broker, fall: StoreFall, counts: Counted): void {
  const text = describeFall(fall, counts);
  observer.alarm(text, { ...fall, ...counts });
  const about = fall.kind.startsWith("NATS") ? "NATS" : "database";
  keepIncident({ kind: "restored", about, text, isLoss: true });
}
