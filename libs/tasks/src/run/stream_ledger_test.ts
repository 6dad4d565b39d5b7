import test from "ava";
import type { Claim, OutcomeRow, Ledger } from "../definition/ledger.ts";
import { joinGrid, startTestBroker } from "../locks/_grid_test.ts";
import { streamLedger } from "./stream_ledger.ts";

const server = await startTestBroker();
const party = await joinGrid(server.url);
test.after.always(async () => {
  await party[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const rowOf = (taskId: string): OutcomeRow => ({
  ...{ taskId, task: "ParentTask", vo: "lhcb", payloadHash: "", attempt: 1, outcome: "done", result: null },
  spawned: [{ taskId: `${taskId}/child`, task: "ChildTask", vo: "lhcb", payload: {} }],
  dueAt: null,
  errors: [],
});

async function commit(ledger: Ledger<undefined>, taskId: string): Promise<void> {
  const claim: Claim = { taskId, task: "ParentTask", vo: "lhcb", attempt: 1, fences: [] };
  await ledger.open(claim).commit(rowOf(taskId));
}

test("a redelivered message finds the children of its earlier run, and another message under the same id does not", async (t) => {
  const ledger = streamLedger(party.broker);
  await commit(ledger.of("TASKS-1-1", false), "parent");
  t.deepEqual(await ledger.of("TASKS-1-1", false).recall("parent"), rowOf("parent"));
  t.is(await ledger.of("TASKS-9-9", false).recall("parent"), undefined);
  await commit(ledger.of("TASKS-9-9", false), "parent");
  t.deepEqual(await ledger.of("TASKS-9-9", false).recall("parent"), rowOf("parent"));
});

test("children that were forgotten are no more", async (t) => {
  const ledger = streamLedger(party.broker);
  const own = ledger.of("TASKS-2-2", false);
  await commit(own, "settled");
  await ledger.forget(rowOf("settled"));
  t.is(await own.recall("settled"), undefined);
});

test("a list that an older version has stored counts for its task's message", async (t) => {
  const ledger = streamLedger(party.broker);
  await commit(ledger, "older");
  t.deepEqual(await ledger.of("TASKS-3-3", false).recall("older"), rowOf("older"));
});
