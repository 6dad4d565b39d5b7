import test from "ava";
import { keepRunning, restartDelayMs, type Running } from "./keep_running.ts";

/** Something that ends when the test says so. `started` gives each start in turn. */
function makeRunnable() {
  const waiting: ((run: { end(how: string): void }) => void)[] = [];
  const ready: { end(how: string): void }[] = [];
  const stops: string[] = [];
  async function start(): Promise<Running> {
    const { promise: ended, resolve: end } = Promise.withResolvers<string>();
    const run = { end };
    const waiter = waiting.shift();
    if (waiter === undefined) ready.push(run);
    else waiter(run);
    return {
      ended,
      async stop() {
        stops.push("stop");
        end("stopped");
      },
    };
  }
  function started(): Promise<{ end(how: string): void }> {
    const run = ready.shift();
    return run === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(run);
  }
  return { start, started, stops };
}

test("what ends is started again, and the pause grows with each end in a row", async (t) => {
  const { start, started } = makeRunnable();
  const told: string[] = [];
  const asked: number[] = [];
  const delayMs = (inARow: number) => {
    asked.push(inARow);
    return 0;
  };
  const kept = await keepRunning({ name: "app", start, tell: (line) => told.push(line), delayMs });
  (await started()).end("exit code 1");
  (await started()).end("SIGKILL");
  await started();
  await kept.stop();
  t.deepEqual(asked, [1, 2]);
  t.deepEqual(told, [
    "app ended (exit code 1); starting it again in 0.0 s",
    "app ended (SIGKILL); starting it again in 0.0 s",
  ]);
});

test("what is stopped is not started again", async (t) => {
  const { start, started, stops } = makeRunnable();
  const told: string[] = [];
  const kept = await keepRunning({ name: "app", start, tell: (line) => told.push(line) });
  await started();
  await kept.stop();
  t.deepEqual(stops, ["stop"]);
  t.deepEqual(told, []);
});

test("the first start that fails is an error, a later one is tried again", async (t) => {
  await t.throwsAsync(keepRunning({ name: "app", start: () => Promise.reject(new Error("no port")), tell() {} }), {
    message: "no port",
  });

  const { start, started } = makeRunnable();
  const told: string[] = [];
  let starts = 0;
  const second = async () => {
    starts++;
    if (starts === 2) throw new Error("no memory");
    return await start();
  };
  const kept = await keepRunning({ name: "app", start: second, tell: (line) => told.push(line), delayMs: () => 0 });
  (await started()).end("exit code 1");
  await started();
  await kept.stop();
  t.is(starts, 3);
  t.true(told.includes("app does not start: no memory"));
});

test("the pause doubles from half a second to half a minute", (t) => {
  t.deepEqual([1, 2, 3, 7, 50].map(restartDelayMs), [500, 1_000, 2_000, 30_000, 30_000]);
});

test("what is restarted is ended and started again", async (t) => {
  const { start, started, stops } = makeRunnable();
  const told: string[] = [];
  const kept = await keepRunning({ name: "server", start, tell: (line) => told.push(line), delayMs: () => 0 });
  await started();
  await kept.restart();
  await started();
  t.deepEqual(stops, ["stop"]);
  t.deepEqual(told, ["server ended (stopped); starting it again in 0.0 s"]);
  await kept.stop();
});
