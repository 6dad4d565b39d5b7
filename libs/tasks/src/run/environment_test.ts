import test from "ava";
import { silentObserver } from "../connection/observer.ts";
import { openRequests } from "../broker/requests.ts";
import { joinGrid, startTestBroker } from "../locks/_grid_test.ts";
import { Environment } from "./environment.ts";

/** A database that is as `problem` says, and an environment over it. */
async function openPlayed() {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startTestBroker());
  const { broker } = opened.use(await joinGrid(server.url));
  const told: string[] = [];
  const observer = { ...silentObserver, alarm: (text: string) => void told.push(text) };
  const played: { problem: string | undefined } = { problem: undefined };
  let changes = Promise.withResolvers<void>();
  const environment = new Environment({
    broker: { observer, requests: openRequests(broker.nc, { timeoutMs: 1_000 }) },
    ledger: {
      classify: () => "doubtful",
      async check() {
        if (played.problem !== undefined) throw new Error(played.problem);
      },
    },
    onChange() {
      changes.resolve();
      changes = Promise.withResolvers();
    },
  });
  opened.defer(() => environment.close());
  const kept = opened.move();
  return {
    ...{ environment, played, told },
    changed: () => changes.promise,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const error = new Error('relation "pilot" does not exist');

test("a run that began while something was amiss is not to blame for what it fails with after that was mended", async (t) => {
  await using opened = await openPlayed();
  const { environment, played, told } = opened;
  const early = performance.now();
  t.false(await environment.isToBlame({ error, isDoubtful: true, startedAtMs: early }), "nothing is amiss");
  played.problem = "tables are missing";
  t.true(await environment.isToBlame({ error, isDoubtful: true, startedAtMs: early }));
  t.is(environment.problem, "tables are missing");
  t.true(await environment.isToBlame({ error: new Error("any other"), isDoubtful: false, startedAtMs: early }));
  played.problem = undefined;
  await opened.changed();
  t.is(environment.problem, undefined);
  t.true(await environment.isToBlame({ error, isDoubtful: true, startedAtMs: early }), "it began before");
  t.false(await environment.isToBlame({ error, isDoubtful: true, startedAtMs: performance.now() }));
  t.deepEqual(told, ["Takes no tasks until it is mended: tables are missing"]);
});

test("a hundred runs that fail together are told once", async (t) => {
  await using opened = await openPlayed();
  const { environment, played, told } = opened;
  played.problem = "tables are missing";
  const startedAtMs = performance.now();
  const failures = Array.from({ length: 100 }, () => environment.isToBlame({ error, isDoubtful: true, startedAtMs }));
  for (let count = 0; count < 100; count++) environment.noteAbandoned(error);
  t.true((await Promise.all(failures)).every(Boolean));
  t.is(told.length, 1);
});
