import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { Sweeps } from "./sweep.ts";

/** Sweeps that end when they are told to. */
function sweepsByHand() {
  const begun: PromiseWithResolvers<void>[] = [Promise.withResolvers(), Promise.withResolvers()];
  const ends: (() => void)[] = [];
  const sweeps = new Sweeps(() => {
    begun[ends.length]?.resolve();
    return new Promise((resolve) => ends.push(resolve));
  });
  return { sweeps, ends, first: begun[0]?.promise, second: begun[1]?.promise };
}

test("a sweep that is asked for while one is under way follows it, and does not wait for the next second", async (t) => {
  const { sweeps, ends, first, second } = sweepsByHand();
  t.is(sweeps.soon(), "now");
  await first;
  t.is(sweeps.soon(), "under way");
  ends[0]?.();
  // Timers go off in the order of their times, however late.
  t.is(await Promise.race([second?.then(() => "swept"), pause(600, "waits")]), "swept");
  ends[1]?.();
  await sweeps.stop();
});

test("a sweep that nobody asks for comes about a second after the last", async (t) => {
  const { sweeps, ends, second } = sweepsByHand();
  sweeps.soon();
  ends[0]?.();
  t.is(await Promise.race([second?.then(() => "swept"), pause(600, "waits")]), "waits");
  await second;
  ends[1]?.();
  await sweeps.stop();
});
