import test from "ava";
import { noRetry } from "../definition/retry.ts";
import { taskFactory } from "../definition/task.ts";
import type { Ledger, LedgerTransaction } from "../definition/ledger.ts";
import { LeaseLostError } from "../lease/lease.ts";
import { playedLedger } from "./_played_ledger_test.ts";
import { type AttemptLease, RunningAttempt } from "./attempt.ts";

/** What a task of this file may call. */
interface Deps {
  use(): Promise<unknown>;
}

const WriteTask = taskFactory<Deps>()({
  name: "WriteTask",
  per: "vo",
  retry: noRetry(),
  execute: ({ deps }) => deps.use().then(() => {}),
});

/** A ledger that notes what it is asked for. */
function notingLedger(commit: LedgerTransaction<unknown>["commit"]) {
  const asked: string[] = [];
  const ledger = playedLedger({
    async transaction() {
      asked.push("transaction");
      return undefined;
    },
    commit(row) {
      asked.push("commit");
      return commit(row);
    },
    async rollback() {
      asked.push("rollback");
    },
  });
  return { asked, ledger };
}

/** A lease whose deadline passes unseen until the `good`-th look at it was well, as for a process that was frozen. */
function leaseThatPasses(good: number): AttemptLease {
  const lost = new AbortController();
  let looks = 0;
  return {
    key: "site.ce01",
    holder: "holder",
    fencingToken: 7,
    signal: lost.signal,
    checkDeadline() {
      if (looks++ < good) return;
      const error = new LeaseLostError("site.ce01", 7, "its deadline has passed");
      lost.abort(error);
      throw error;
    },
  };
}

function run(ledger: Ledger<unknown>, leases: readonly AttemptLease[] = []): RunningAttempt {
  return new RunningAttempt({
    definition: WriteTask,
    payload: {},
    sent: {},
    vo: "lhcb",
    taskId: "t1",
    attempt: 1,
    leases,
    errors: [],
    ledger,
    deps: ({ transaction }) => ({ use: transaction }),
    maxPayloadBytes: 1_000,
  });
}

test("a process that wakes past its lease's deadline sends no fence, and abandons the run", async (t) => {
  const { asked, ledger } = notingLedger(async (row) => ({ kind: "committed", row }));
  const end = await run(ledger, [leaseThatPasses(0)]).ended;
  t.like(end, { kind: "abandoned", error: { name: "LeaseLostError" } });
  t.deepEqual(asked, ["rollback"]);
});

test("a lease's deadline that passes during the run is seen before COMMIT, which is not sent", async (t) => {
  const { asked, ledger } = notingLedger(async (row) => ({ kind: "committed", row }));
  const end = await run(ledger, [leaseThatPasses(1)]).ended;
  t.like(end, { kind: "abandoned", error: { name: "LeaseLostError" } });
  t.deepEqual(asked, ["transaction", "rollback"]);
});

test("a transaction that the database ends for the sake of others each time fails the task after ten tries", async (t) => {
  const { asked, ledger } = notingLedger(async () => {
    // A ledger that never gives way would otherwise keep this test for ever.
    if (asked.filter((what) => what === "commit").length > 20) throw new Error("more than twenty tries");
    throw new Error("again");
  });
  const end = await run(ledger).ended;
  t.is(end.kind, "failed");
  t.regex(end.kind === "failed" ? String(end.error) : "", /ended its transaction 10 times/);
  t.is(asked.filter((what) => what === "commit").length, 10);
});
