/** What is asked again and again reads as much beside 40,000 ended pilots as beside 2,000. Rows and pages are counted, and no time. */
import test from "ava";
import type { Database, Transaction } from "@muster/ledger";
import { readsOf, runSql } from "@muster/ledger/testing";
import { listCes } from "../ces/list_ces.ts";
import { listCeStates } from "../ces/list_ce_states.ts";
import { startTestServer } from "../testing/mod.ts";
import { listActivePilots } from "./active_pilots.ts";
import { getAvailableCes } from "./available_ces.ts";
import { listPilots } from "./list_pilots.ts";
import { countPilots } from "./pilot_counts.ts";
import { listOldRequests, requestPilots } from "./pilot_requests.ts";
import { getMaxActiveOverCapacity, getPilotShares, getPilotSummary } from "./pilot_summary.ts";
import { prunePilots } from "./prune_pilots.ts";
import { submitPilot } from "./submit_pilot.ts";
import { transitionPilotStates } from "./transition_pilots.ts";

const server = await startTestServer();

const FEW = 2_000;
const MANY = 40_000;
/** Rows and pages that may be more: levels of indexes, what an autovacuum has not seen, another plan. A scan would read 38,000 rows and 475 pages more. */
const MORE = { rows: 150, pages: 300 };

/** A database with five CEs, four VOs, 40 active pilots, and `count` pilots that ended since an hour ago. One VO has ten of these. */
async function openWithEnded(count: number): Promise<Database> {
  const database = await server.open();
  await runSql(
    database,
    `insert into compute_element (name, capacity, success_rate) select 'ce' || n, 1000, 1 from generate_series(0, 4) n;
     alter table pilot disable trigger user;
     insert into pilot (ce_name, vo, status, submitted_at, task_id, active_before, capacity_read)
     select 'ce' || n % 5, case when n % ${count / 10} = 0 then 'rare' else 'vo' || n % 3 end,
       case when n % 7 = 0 then 'FAILED' else 'DONE' end, now() - interval '1 hour' * (1 - n / ${count}.0), md5(n::text), 3, 1000
     from generate_series(1, ${count}) n;
     alter table pilot enable trigger user;
     insert into pilot_ended (ce_name, vo, status, count) select ce_name, vo, status, count(*) from pilot group by 1, 2, 3;
     insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read)
     select 'ce' || n % 5, 'vo' || n % 4, case when n % 2 = 0 then 'RUNNING' else 'SUBMITTED' end, 'active' || n, 3, 1000
     from generate_series(1, 40) n;
     insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, published_at)
     select md5(n::text), 'MyPilotTask', 'vo' || n % 3, '', 1, 'done', 'null', '[]', '[]', now() from generate_series(1, ${count}) n;
     insert into pilot_request (task_id, ce_name, vo) select md5(n::text), 'ce1', 'vo1' from generate_series(1, 30) n;
     analyze pilot; analyze pilot_ended; analyze task_outcome; analyze pilot_request`,
  );
  return database;
}

const few = await openWithEnded(FEW);
const many = await openWithEnded(MANY);
test.after.always(async () => {
  await few.close();
  await many.close();
  await server[Symbol.asyncDispose]();
});

const HOUR_MS = 3_600_000;
const order = { ceName: "ce1", vo: "vo1", taskId: "new", random: () => 0 };

const ASKED: Readonly<Record<string, (transaction: Transaction) => Promise<unknown>>> = {
  "a submission": (to) => submitPilot(to, order),
  "a status round": (to) => transitionPilotStates(to, { vo: "vo1", random: () => 0.5 }),
  "a submit round": async (to) => {
    await getAvailableCes(to, { vo: "vo1" });
    await requestPilots(to, [{ taskId: "new", ceName: "ce1", vo: "vo1" }]);
  },
  "the report": getPilotSummary,
  "the shares of the live view": getPilotShares,
  "the CEs of the live view": listCes,
  "the proof of the capacity promise": getMaxActiveOverCapacity,
  "the figures of `/metrics`": countPilots,
  "the dashboard's CEs": listCeStates,
  "the doctor's look for VOs that are gone": listActivePilots,
  "a list of all pilots": (to) => listPilots(to, {}, 5),
  "a list of a VO that has few": (to) => listPilots(to, { vo: "rare" }, 5),
  "a list of a status at a CE": (to) => listPilots(to, { ceName: "ce2", statuses: ["FAILED"] }, 5),
  "a list of a CE that has none": (to) => listPilots(to, { ceName: "ce9" }, 5),
  "a look for lost requests": (to) => listOldRequests(to, { after: "", limit: 100 }),
  "a look for pilots to prune": (to) => prunePilots(to, { keptForMs: HOUR_MS * 2, after: 0, limit: 1_000 }),
};

for (const [what, ask] of Object.entries(ASKED)) {
  test.serial(`${what} reads as much beside 40,000 ended pilots as beside 2,000`, async (t) => {
    const [before, after] = [await readsOf(few, ask), await readsOf(many, ask)];
    t.log(before, after);
    t.true(before.rows > 0 || before.pages > 0, "nothing was counted");
    t.true(after.rows <= before.rows + MORE.rows, `${before.rows} and ${after.rows} rows`);
    t.true(after.pages <= before.pages + MORE.pages, `${before.pages} and ${after.pages} pages`);
  });
}

test.serial("dead rows are vacuumed at a hundredth of the table, and not at a fifth", async (t) => {
  const tables = await runSql<{ relname: string; options: string }>(
    few,
    "select relname, array_to_string(reloptions, ' ') as options from pg_class where relname in ('pilot', 'task_outcome')",
  );
  t.is(tables.length, 2);
  for (const { relname, options } of tables) {
    t.regex(options, /autovacuum_vacuum_scale_factor=0\.01\b/, relname);
  }
});
