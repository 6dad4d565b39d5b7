import test from "ava";
import { keepLate } from "./late.ts";

test("what takes long is there at a later look, and only so many readings run at a time, whoever asks", async (t) => {
  const waiting: ((count: number) => void)[] = [];
  const asked: string[] = [];
  const read = (reason: string) => {
    asked.push(reason);
    return new Promise<number>((resolve) => waiting.push(resolve));
  };
  const late = keepLate(read, { patienceMs: 5, rest: 10, atOnce: 1 });
  t.deepEqual(await Promise.all([late("a"), late("a"), late("b")]), [undefined, undefined, undefined]);
  t.deepEqual(asked, ["a"], "the second one waits for its turn");
  waiting[0]?.(7);
  while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
  t.like(await late("a"), { result: 7 });
  t.deepEqual(asked, ["a", "b"], "a reading of a moment ago does for the next one");
});

test("what is quick is there at once, and a failure is told to who knows nothing yet, and read again", async (t) => {
  const results: (() => Promise<number>)[] = [
    () => Promise.resolve(3),
    () => Promise.reject(new Error("NATS is away")),
    () => Promise.resolve(4),
  ];
  const read = (_: string) => results.shift()?.() ?? Promise.reject(new Error("too many"));
  const late = keepLate(read, { patienceMs: 60_000, rest: 1, atOnce: 2 });
  t.like(await late("a"), { result: 3 });
  await t.throwsAsync(late("b"), { message: "NATS is away" });
  t.like(await late("b"), { result: 4 });
  t.like(await late("a"), { result: 3 });
});
