import test from "ava";
import { until } from "../support/until.ts";
import { openTurns, takeTurn, type Turns } from "./turns.ts";

async function untilWaiting(turns: Turns, count: number): Promise<void> {
  await until(async () => (turns.waiting === count ? true : undefined), `${count} groups that wait`);
}

test("groups begin in their order: some at once, more while the processors have time left over, and never too many", async (t) => {
  let share = 0;
  await using turns = await openTurns({ leftOver: () => share, lookEveryMs: 600_000, atLeast: 2, atMost: 3 });
  const first = await takeTurn(turns.path);
  const second = await takeTurn(turns.path);
  const third = takeTurn(turns.path);
  await untilWaiting(turns, 1);
  const fourth = takeTurn(turns.path);
  await untilWaiting(turns, 2);

  turns.look();
  t.is(turns.waiting, 2, "a machine that is busy");
  share = 0.5;
  turns.look();
  t.is(turns.waiting, 1, "one more where it is not");
  using _third = await third;
  turns.look();
  t.is(turns.waiting, 1, "as many as may be");

  first[Symbol.dispose]();
  second[Symbol.dispose]();
  using _fourth = await fourth;
  t.is(turns.waiting, 0);
});

test("a group whose turn has not come fails when the gate ends, and one without a gate begins at once", async (t) => {
  const turns = await openTurns({ leftOver: () => 0, atLeast: 0 });
  const waits = takeTurn(turns.path);
  const failed = t.throwsAsync(waits, { message: /the gate ended before its turn/ });
  await untilWaiting(turns, 1);
  await turns[Symbol.asyncDispose]();
  await failed;
  using _turn = await takeTurn("");
});
