// Tested by tests/src/restore/restore_test.ts
import {
  countOutcomesSince,
  getHighestFence,
  readStoreMark,
  reopenChildren,
  type StoredMark,
  writeStoreMark,
} from "@muster/ledger";
import type { Broker, Chore } from "@muster/tasks";
import {
  compareStores,
  countStepsSince,
  dateFall,
  holdsWork,
  type NatsMarkState,
  type PositionNow,
  type Positions,
  raiseLocks,
  readNatsMark,
  readPositions,
  type StoreFall,
  writeNatsMark,
} from "@muster/tasks/operate";
import type { ChoreServers } from "./chore_servers.ts";
import { type Counted, tellFall } from "./tell_fall.ts";

/** Time from one comparison to the next, ms. A store that was restored to a moment this short ago may go unnoticed. */
const COMPARED_MS = 10_000;
/** Looks in a row that must show a fall of NATS on a cluster: a former leader that is behind may answer once. */
const LOOKS_ON_A_CLUSTER = 3;
/** Time before the moment from which NATS may lack something, for which the ledger is asked as well, ms: the two clocks differ. */
const CLOCKS_MS = 60_000;

/** The servers that are compared. */
export type ComparedServers = Pick<ChoreServers, "broker" | "database">;

/** Both halves of the mark, and how far NATS is. */
interface Seen {
  readonly database: StoredMark | undefined;
  readonly nats: NatsMarkState;
  readonly positions: Positions<PositionNow>;
}

/** Reads both halves; undefined: another process has set a mark meanwhile. */
async function look({ broker, database }: ComparedServers): Promise<Seen | undefined> {
  const before = await database.transaction(readStoreMark);
  const nats = await readNatsMark(broker);
  const positions = await readPositions(broker);
  // A reading of two stores proves a fall only where each was read after the one that must be behind it (decision 31).
  const after = await database.transaction(readStoreMark);
  return before?.number === after?.number ? { database: after, nats, positions } : undefined;
}

/** Says of which moment each fall is, as nearly as it can be known. */
function dateFalls(
  { broker }: ComparedServers,
  seen: Seen,
  falls: readonly StoreFall[],
): Promise<readonly StoreFall[]> {
  return Promise.all(falls.map((fall) => dateFall(broker.jsm, { ...seen, nats: seen.nats.mark }, fall)));
}

/** Compares the two stores, and changes nothing. Undefined: their marks were changing just then. */
export async function findFalls(servers: ComparedServers): Promise<readonly StoreFall[] | undefined> {
  const seen = await look(servers);
  if (seen === undefined) return undefined;
  return dateFalls(servers, seen, compareStores({ ...seen, nats: seen.nats.mark }));
}

/** What tells a user what a fall cost. */
async function countFor({ broker, database }: ComparedServers, fall: StoreFall): Promise<Counted> {
  if (fall.kind === "NATS fell") {
    const since = new Date(fall.since);
    const { settled, dead } = await database.transaction((transaction) => countOutcomesSince(transaction, since));
    return { ended: settled, dead };
  }
  if (fall.kind !== "the database fell") return { ended: 0, dead: 0 };
  const since = new Date(fall.since);
  const count = (step: "done" | "dead") => countStepsSince(broker, { step, since });
  return { ended: await count("done"), dead: await count("dead") };
}

/** Does for a store that fell what can be done, before anybody is told. All of it may be done twice. */
async function mend({ broker, database }: ComparedServers, fall: StoreFall): Promise<void> {
  // Which tokens were given out in the time that is gone is known to nobody. The clock is above them.
  await raiseLocks({ ...broker, highestFence: () => database.transaction(getHighestFence) });
  if (fall.kind !== "NATS fell" || !(fall.isWhole || holdsWork(fall))) return;
  const since = new Date(Date.parse(fall.since) - CLOCKS_MS);
  await database.transaction((transaction) => reopenChildren(transaction, since));
}

/** Sets the next mark in both stores, the database first. */
async function mark({ broker, database }: ComparedServers, { database: ours, nats, positions }: Seen): Promise<void> {
  const theirs = nats.mark?.number ?? 0;
  const isHalfSet = ours !== undefined && nats.mark !== undefined && ours.number === theirs + 1;
  if (isHalfSet) {
    await writeNatsMark(broker, { number: ours.number, expected: nats.revision });
    return;
  }
  const number = Math.max(ours?.number ?? 0, theirs) + 1;
  const kept = Object.entries(positions).map(([stream, { createdAt, lastSequence }]) => [
    stream,
    { createdAt, lastSequence },
  ]);
  const isSet = await database.transaction((transaction) =>
    writeStoreMark(transaction, {
      ...{ number, expected: ours?.number, positions: Object.fromEntries(kept) },
      locksRevision: positions["KV_locks"]?.lastSequence ?? 0,
    }),
  );
  if (isSet) await writeNatsMark(broker, { number, expected: nats.revision });
}

function isOnACluster({ nc }: Broker): boolean {
  return nc.info?.cluster !== undefined;
}

/**
 * The chore of a scheduler that compares NATS and the database, and notices that one of them was restored to an earlier state (PROTOCOL 16).
 * Then it mends what can be mended, and tells the rest by an alarm and an incident. {@linkcode createChores} has it.
 */
export function comparingChore(servers: ComparedServers, { everyMs = COMPARED_MS } = {}): Chore {
  const { broker } = servers;
  let looks = 0;
  return {
    name: "comparing the two stores",
    everyMs,
    async run() {
      const seen = await look(servers);
      if (seen === undefined) return;
      const falls = compareStores({ ...seen, nats: seen.nats.mark });
      looks = falls.length === 0 ? 0 : looks + 1;
      if (looks > 0 && looks < LOOKS_ON_A_CLUSTER && isOnACluster(broker)) return;
      for (const fall of await dateFalls(servers, seen, falls)) {
        await mend(servers, fall);
        tellFall(broker, fall, await countFor(servers, fall));
      }
      await mark(servers, falls.length === 0 ? seen : { ...seen, positions: await readPositions(broker) });
      looks = 0;
    },
  };
}
