import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { joinGrid, type Party, startTestBroker } from "../locks/_grid_test.ts";
import { createElection } from "./election.ts";
import { findLeaders, LEADERS_KEY } from "./leaders.ts";
import { createReporter } from "./reporter.ts";

/** Lifetime of a table in these tests, ms. */
const TABLE_TTL_MS = 5_000;

/** A scheduler that stands for election until disposed of. */
function standFor({ broker, locks }: Party, wanted: readonly string[]) {
  const over = new AbortController();
  const report = createReporter(broker.observer);
  const election = createElection({ broker, locks, worker: "here", wanted, report, tableTtlMs: TABLE_TTL_MS });
  const ended = election.run(over.signal);
  return {
    ...election,
    async [Symbol.asyncDispose]() {
      over.abort();
      await ended;
    },
  };
}

async function untilLed({ broker }: Party, charge: string): Promise<void> {
  for (const late = AbortSignal.timeout(60_000); !(await findLeaders(broker)).leaders.has(charge); await pause(20)) {
    late.throwIfAborted();
  }
}

test("the lead of a scheduler of the version before is taken over without an alarm", async (t) => {
  await using server = await startTestBroker();
  await using old = await joinGrid(server.url, { worker: "old" });
  await using party = await joinGrid(server.url);
  // The version before held the table's key as a lock.
  const answer = await old.locks.tryAcquire([LEADERS_KEY], { taskId: "scheduler/old", untilMs: Infinity });
  t.is(answer.kind, "taken");
  t.is((await findLeaders(party.broker)).foreign, undefined);
  await using _election = standFor(party, ["Ours"]);
  await untilLed(party, "Ours");
  t.deepEqual(party.alarms, []);
});

test("a scheduler of the version before leads again once the last new one has ended, and not while one leads", async (t) => {
  await using server = await startTestBroker();
  await using old = await joinGrid(server.url, { worker: "old" });
  await using party = await joinGrid(server.url);
  const takeAsOld = async () =>
    (await old.locks.tryAcquire([LEADERS_KEY], { taskId: "scheduler/old", untilMs: Infinity })).kind;
  {
    await using _election = standFor(party, ["Ours"]);
    await untilLed(party, "Ours");
    for (const until = performance.now() + 2 * TABLE_TTL_MS; performance.now() < until; await pause(200)) {
      t.is(await takeAsOld(), "held");
    }
  }
  for (const late = AbortSignal.timeout(60_000); (await takeAsOld()) !== "taken"; await pause(100)) {
    late.throwIfAborted();
  }
  t.pass();
});
