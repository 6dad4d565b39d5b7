import { getMaxActiveOverCapacity, seededRandom } from "@muster/logic";
import { MyCheckPilotsTask, MyPilotTask, MySubmitPilotsTask } from "@muster/pilot-tasks";
import type { ExecutionContext } from "ava";
import { setTimeout as pause } from "node:timers/promises";
import type { ChaosGrid } from "./grid.ts";

export const VOS = ["lhcb", "atlas", "vo.cta.in2p3.fr"];
export const CAPACITIES = {
  "ce01.example.org": 2,
  "ce02.cern.ch:9619/condor": 9,
  "ce03.example.org": 20,
  "ce04.example.org": 5,
};
/** In how many parts the ad-hoc pilots are published, so that the trouble comes in between. */
const BATCHES = 40;
const CE_NAMES = Object.keys(CAPACITIES);

/** A generator of chance whose seed is in the test's log, so that a run that failed can be played again. */
export function loggedRandom(t: ExecutionContext): () => number {
  const seed = Number(process.env["CHAOS_SEED"] ?? Math.floor(Math.random() * 2 ** 32));
  t.log(`CHAOS_SEED=${seed}`);
  return seededRandom(seed);
}

function pick<T>(random: () => number, from: readonly T[]): T {
  const picked = from[Math.floor(random() * from.length)];
  if (picked === undefined) throw new RangeError("Cannot pick from nothing");
  return picked;
}

export interface Storm {
  /** Ids of the ad-hoc pilots that were acknowledged. */
  readonly acknowledged: ReadonlySet<string>;
}

/**
 * Publishes `count` ad-hoc pilots of three VOs over all CEs, every tenth twice, and rounds of submitting and checking beside
 * them, while `trouble` goes on. Resolves when all is published and the trouble is over.
 */
export async function raiseStorm(
  { muster }: ChaosGrid,
  { count, random, trouble }: { readonly count: number; readonly random: () => number; trouble(): Promise<void> },
): Promise<Storm> {
  const acknowledged = new Set<string>();
  let isOver = false;
  async function publishPilot(): Promise<void> {
    const { taskId } = await muster.publish(MyPilotTask, {
      vo: pick(random, VOS),
      payload: { ceName: pick(random, CE_NAMES) },
    });
    acknowledged.add(taskId);
  }
  async function publishPilots(): Promise<void> {
    const batch = count / BATCHES;
    for (let published = 0; published < count; published += batch) {
      await Promise.all(Array.from({ length: batch }, publishPilot));
      await pause(20);
    }
  }
  async function publishRounds(): Promise<void> {
    while (!isOver) {
      for (const vo of VOS) {
        await muster.publish(MyCheckPilotsTask, { vo });
        await muster.publish(MySubmitPilotsTask, { vo });
      }
      await pause(250);
    }
  }
  const rounds = publishRounds();
  try {
    await Promise.all([publishPilots(), trouble()]);
  } finally {
    isOver = true;
    await rounds;
  }
  return { acknowledged };
}

/** What must hold once a storm is over and all its tasks have ended. */
export async function checkInvariants(
  t: ExecutionContext,
  { muster, database }: ChaosGrid,
  { acknowledged }: Storm,
): Promise<void> {
  const { sql } = database;
  const [numbers] = await sql<Record<string, number>>(`select
    (select count(*) from pilot) as pilots,
    (select count(*) from (select task_id from pilot group by task_id having count(*) > 1) twice) as twice,
    (select count(*) from task_outcome where outcome = 'done') as done,
    (select count(*) from task_outcome where outcome = 'dropped') as dropped,
    (select count(*) from task_outcome where outcome not in ('done', 'dropped')) as others,
    (select count(*) from pilot where not exists (
      select from task_outcome o where o.task_id = pilot.task_id and o.outcome = 'done' and o.result ->> 'kind' = 'submitted'
    )) as unaccounted`);
  t.log(JSON.stringify(numbers));
  t.is(
    await database.database.transaction(getMaxActiveOverCapacity),
    0,
    "I10: no submission took a CE over its capacity",
  );
  t.is(numbers?.["twice"], 0, "I2: one pilot per task");
  t.is(numbers?.["unaccounted"], 0, "each pilot has its task's row, which says so");
  t.is(numbers?.["others"], 0, "I6: each task has one final outcome");
  t.true((numbers?.["pilots"] ?? 0) > 20, "hardly anything was submitted");
  const rows = await sql<{ task_id: string }>("select task_id from task_outcome");
  const known = new Set(rows.map((row) => row.task_id));
  t.deepEqual(
    [...acknowledged].filter((id) => !known.has(id)),
    [],
    "I1: each acknowledged task has its row",
  );
  t.deepEqual(await muster.deadLetters(), []);
}
