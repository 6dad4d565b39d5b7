import test from "ava";
import { keepLateCounts } from "./late_counts.ts";

test("a count that takes long is there at a later look, and one runs at a time for all who ask", async (t) => {
  const waiting: ((count: number) => void)[] = [];
  const asked: string[] = [];
  const counts = keepLateCounts((reason: string) => {
    asked.push(reason);
    return new Promise<number>((resolve) => waiting.push(resolve));
  }, 5);
  t.deepEqual(await Promise.all([counts("a"), counts("a"), counts("b")]), [undefined, undefined, undefined]);
  t.deepEqual(asked, ["a"], "the second one waits for its turn");
  waiting[0]?.(7);
  while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve));
  t.like(await counts("a"), { count: 7 });
  t.deepEqual(asked, ["a", "b"], "a count of a moment ago does for the next one");
});

test("a count that is quick is there at once, and one that failed leaves what was known", async (t) => {
  let found = Promise.resolve(3);
  const counts = keepLateCounts((_: string) => found, 60_000);
  t.like(await counts("a"), { count: 3 });
  found = Promise.reject(new Error("NATS is away"));
  found.catch(() => undefined);
  t.is(await counts("b"), undefined);
  t.like(await counts("a"), { count: 3 });
});
