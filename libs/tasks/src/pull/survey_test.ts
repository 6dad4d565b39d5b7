import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { Surveys } from "./survey.ts";

/** Surveys that end when they are told to. */
function surveysByHand() {
  const begun: PromiseWithResolvers<void>[] = [Promise.withResolvers(), Promise.withResolvers()];
  const ends: (() => void)[] = [];
  const surveys = new Surveys(() => {
    begun[ends.length]?.resolve();
    return new Promise((resolve) => ends.push(resolve));
  });
  return { surveys, ends, first: begun[0]?.promise, second: begun[1]?.promise };
}

test("a survey that is asked for while one is under way follows it, and does not wait for the next second", async (t) => {
  const { surveys, ends, first, second } = surveysByHand();
  t.is(surveys.soon(), "now");
  await first;
  t.is(surveys.soon(), "under way");
  ends[0]?.();
  // Timers go off in the order of their times, however late.
  t.is(await Promise.race([second?.then(() => "swept"), pause(600, "waits")]), "swept");
  ends[1]?.();
  await surveys.stop();
});

test("a survey that nobody asks for comes about a second after the last", async (t) => {
  const { surveys, ends, second } = surveysByHand();
  surveys.soon();
  ends[0]?.();
  t.is(await Promise.race([second?.then(() => "swept"), pause(600, "waits")]), "waits");
  await second;
  ends[1]?.();
  await surveys.stop();
});
