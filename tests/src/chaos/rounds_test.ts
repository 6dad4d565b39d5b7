import { getMaxActiveOverCapacity } from "@muster/logic";
import { startTestServer } from "@muster/logic/testing";
import { MySubmitPilotsTask } from "@muster/pilot-tasks";
import test from "ava";
import { sized } from "../support/size.ts";
import { type ChaosGrid, startGrid } from "./grid.ts";
import { CAPACITIES, VOS } from "./storm.ts";

const SLOTS = Object.values(CAPACITIES).reduce((sum, capacity) => sum + capacity);
const ROUNDS = sized({ small: 25, large: 100 });

/** Pilots that wait to be submitted, for each VO. */
async function waitingPilots({ muster }: ChaosGrid): Promise<readonly number[]> {
  const { state } = await muster.broker.jsm.streams.info("TASKS", { subjects_filter: "tasks.MyPilotTask.>" });
  return VOS.map((vo) => state.subjects?.[`tasks.MyPilotTask.${vo}`] ?? 0);
}

test("I16, I10: with the pilot workers stopped many rounds of three VOs ask for each free slot once; once started they fill no CE beyond its capacity", async (t) => {
  await using server = await startTestServer();
  await using grid = await startGrid(server, CAPACITIES);
  const { muster, database } = grid;
  await Promise.all([1, 2].map(() => grid.startWorker({ tasks: ["MySubmitPilotsTask"] })));
  const publishRounds = async (count: number) => {
    const asked = Array.from({ length: count }, () => VOS.map((vo) => muster.publish(MySubmitPilotsTask, { vo })));
    for (const { taskId } of await Promise.all(asked.flat())) await muster.event("done", taskId);
  };
  await publishRounds(1);
  const wanted = VOS.map(() => SLOTS);
  t.deepEqual(await waitingPilots(grid), wanted);
  await publishRounds(ROUNDS - 1);
  t.deepEqual(await waitingPilots(grid), wanted);
  const [requested] = await database.sql<{ least: number; rounds: number }>(
    `select min((result ->> 'requested')::int)::int as least, count(*)::int as rounds from task_outcome`,
  );
  t.deepEqual(requested, { least: 0, rounds: ROUNDS * VOS.length });

  await Promise.all([1, 2].map(() => grid.startWorker({ tasks: ["MyPilotTask"] })));
  await muster.settled();
  t.is(await database.database.transaction(getMaxActiveOverCapacity), 0);
  const [{ pilots = 0, ended = 0 } = {}] = await database.sql<{ pilots: number; ended: number }>(
    `select (select count(*)::int from pilot) as pilots,
      (select count(*)::int from task_outcome where task = 'MyPilotTask' and outcome in ('done', 'dropped')) as ended`,
  );
  t.is(ended, SLOTS * VOS.length);
  t.true(pilots > SLOTS / 2 && pilots <= SLOTS, `${pilots} pilots`);
});
