import test from "ava";
import type { Database, Transaction } from "@muster/ledger";
import { readsOf, runSql } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { getAvailableCes } from "./available_ces.ts";
import { listOldRequests, requestPilots } from "./pilot_requests.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const CES = ["ce0", "ce1", "ce2"];
const CAPACITY = 100_000;

/** An outcome of each id that `ids` selects as `id`. */
function outcomesOf(ids: string): string {
  return `insert into task_outcome (task_id, task, vo, payload_hash, attempt, outcome, result, spawned, errors, published_at)
    select id, 'A', 'vo1', '', 1, 'done', 'null', '[]', '[]', now() from (${ids}) as ids on conflict do nothing`;
}

async function openWithCes(): Promise<Database> {
  const database = await server.open();
  const ces = CES.map((name) => `('${name}', ${CAPACITY}, 1)`).join(", ");
  await runSql(database, `insert into compute_element (name, capacity, success_rate) values ${ces}`);
  return database;
}

/** Rounds an hour ago: `size` requests of each minute for each CE, with the ids that `idOf` gives the CE `ce`, minute `m` and number `n`. */
function rounds(size: number, idOf: string): string {
  return `insert into pilot_request (task_id, ce_name, vo, requested_at)
    select ${idOf}, 'ce' || ce, 'vo1', now() - interval '1 hour' - interval '1 minute' * m
    from generate_series(0, 2) ce, generate_series(1, 4) m, generate_series(1, ${size}) n`;
}

const AS_SPAWNED =
  "'MySubmitPilotsTask/vo1/default/2027-01-01T00:0' || m || '/MyPilotTask/' || md5('ce' || ce) || '/' || n";
const WITHOUT_ORDER = "md5(ce || '/' || m || '/' || n)";

/** Ids of requests without an outcome, with the name of their CE, as a look for each request tells. */
const UNANSWERED = `select ce_name as "ceName", task_id as "taskId" from pilot_request
  where not exists (select from task_outcome where task_outcome.task_id = pilot_request.task_id)`;

function idsOf(requests: readonly { readonly taskId: string }[]): readonly string[] {
  return requests.map(({ taskId }) => taskId).sort();
}

for (const [how, ids, others] of [
  ["follow from each other", AS_SPAWNED, ""],
  ["have no order", WITHOUT_ORDER, ""],
  [
    "have no order, and many other outcomes lie between them",
    WITHOUT_ORDER,
    "select md5('other' || n) as id from generate_series(1, 3000) n",
  ],
  [
    "follow from each other, and many other outcomes lie between them",
    AS_SPAWNED,
    "select task_id || '/' || n as id from pilot_request, generate_series(1, 40) n",
  ],
]) {
  test(`exactly the requests whose task has an outcome are answered where ids ${how}`, async (t) => {
    await using database = await openWithCes();
    await runSql(database, rounds(20, ids ?? ""));
    if (others !== "") await runSql(database, outcomesOf(others ?? ""));
    for (const answered of ["n % 7 = 0", "n % 2 = 0", "true"]) {
      const numbered = "select task_id as id, row_number() over (order by md5(task_id)) as n from pilot_request";
      await runSql(database, outcomesOf(`select id from (${numbered}) as numbered where ${answered}`));
      const open = await runSql<{ ceName: string; taskId: string }>(database, UNANSWERED);
      const old = await database.transaction((to) => listOldRequests(to, { after: "", limit: 1_000 }));
      t.deepEqual(idsOf(old), idsOf(open), answered);
      const available = await database.transaction((to) => getAvailableCes(to, { vo: "vo1" }));
      t.deepEqual(
        available.map(({ name, availableSlots }) => [name, availableSlots]),
        CES.map((ce) => [ce, CAPACITY - open.filter(({ ceName }) => ceName === ce).length]),
        answered,
      );
      const asked = { taskId: `asked where ${answered}`, ceName: "ce0", vo: "vo1" };
      await database.transaction((to) => requestPilots(to, [asked]));
      const left = await runSql<{ taskId: string }>(database, 'select task_id as "taskId" from pilot_request');
      t.deepEqual(idsOf(left), idsOf([...open, asked]), answered);
      await runSql(
        database,
        "update pilot_request set requested_at = now() - interval '1 hour' where requested_at > now() - interval '10 minutes'",
      );
    }
  });
}

test("a submit round sees without a look for each that a thousand requests still wait", async (t) => {
  await using database = await openWithCes();
  await runSql(database, rounds(100, AS_SPAWNED));
  await runSql(database, outcomesOf("select md5(n::text) as id from generate_series(1, 20000) n"));
  await runSql(database, "analyze pilot_request; analyze task_outcome");
  const asked: Record<string, (to: Transaction) => Promise<unknown>> = {
    "the free slots": (to) => getAvailableCes(to, { vo: "vo1" }),
    "the new requests": (to) => requestPilots(to, [{ taskId: "new", ceName: "ce1", vo: "vo1" }]),
    "lost requests": (to) => listOldRequests(to, { after: "", limit: 100 }),
  };
  for (const [what, ask] of Object.entries(asked)) {
    const { pages } = await readsOf(database, async (to) => {
      // Beside millions of outcomes nobody would read all of them.
      await to.execute(
        "set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off",
      );
      await ask(to);
    });
    t.log(what, pages);
    t.true(pages < 600, `${what}: ${pages} pages, and a look for each of 1,200 takes 3,600`);
  }
});
