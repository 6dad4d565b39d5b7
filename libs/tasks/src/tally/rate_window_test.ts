import test from "ava";
import * as fc from "fast-check";
import { addTakes, clampTakes, dropOld, roomOf, stampAt, takeBack, type Takes } from "./rate_window.ts";

const rate = { count: 3, perMs: 1_000 };

test("a window is full until the oldest tasks in it are as old as the window is long, and not a moment earlier", (t) => {
  const takes = addTakes(addTakes([], 100, 2), 700, 1);
  t.deepEqual(roomOf(takes, rate, 1_099), { free: 0, next: [1_100, 2] });
  t.deepEqual(roomOf(takes, rate, 1_100), { free: 2, next: [1_700, 1] });
  t.deepEqual(dropOld(takes, 1_100, 1_000), [[700, 1]]);
});

test("where a rate was lowered, more may begin only once enough of the former tasks are old", (t) => {
  const takes = addTakes(addTakes([], 100, 3), 700, 3);
  t.deepEqual(roomOf(takes, { count: 3, perMs: 1_000 }, 800), { free: 0, next: [1_700, 3] });
});

test("quota that comes back is that of its own task, and never that of a neighbour", (t) => {
  t.deepEqual(takeBack([[100, 2]], 100), [[100, 1]]);
  t.deepEqual(takeBack([[100, 1]], 100), []);
  const others: Takes = [
    [100, 1],
    [200, 1],
  ];
  t.deepEqual(takeBack(others, 150), others);
  t.deepEqual(takeBack(others, 50), others, "its own has left the window");
  t.deepEqual(takeBack(others, 201), others);
});

test("tasks are counted at no more times in a window than its entries can hold, each no earlier than it begins", (t) => {
  for (const perMs of [1, 100, 1_000, 60_000, 86_400_000]) {
    let takes: Takes = [];
    const stepMs = Math.max(1, Math.floor(perMs / 5_000));
    for (let atMs = 0; atMs < perMs; atMs += stepMs) {
      const stampMs = stampAt({ count: 1, perMs }, atMs);
      t.true(stampMs >= atMs);
      t.true(stampMs - atMs <= Math.max(1, perMs / 200));
      takes = addTakes(takes, stampMs, 1);
    }
    t.true(takes.length <= 256, `${takes.length} of ${perMs} ms`);
  }
});

test("times ahead of the broker's clock, which was set back, count as the present", (t) => {
  t.deepEqual(
    clampTakes(
      [
        [100, 1],
        [9_000, 2],
      ],
      500,
    ),
    [
      [100, 1],
      [500, 2],
    ],
  );
});

test("within no window more tasks begin than the rate allows, however late quota is given back and however many entries are merged", (t) => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 40 }),
    wanted: fc.integer({ min: 0, max: 4 }),
    gives: fc.boolean(),
    givenAfterMs: fc.integer({ min: 0, max: 3_000 }),
  });
  const limits = fc.record({ count: fc.integer({ min: 1, max: 600 }), perMs: fc.integer({ min: 100, max: 2_000 }) });
  const property = fc.property(limits, fc.array(step, { maxLength: 500, minLength: 100 }), (limit, steps) => {
    let takes: Takes = [];
    let nowMs = 0;
    const begun: number[] = [];
    let given: { readonly dueMs: number; readonly stampMs: number }[] = [];
    for (const { afterMs, wanted, gives, givenAfterMs } of steps) {
      nowMs += afterMs;
      takes = dropOld(takes, nowMs, limit.perMs);
      for (const { dueMs, stampMs } of given) if (dueMs <= nowMs) takes = takeBack(takes, stampMs);
      given = given.filter(({ dueMs }) => dueMs > nowMs);
      for (let each = 0; each < wanted && roomOf(takes, limit, nowMs).free > 0; each++) {
        const stampMs = nowMs + 3;
        takes = addTakes(takes, stampMs, 1);
        if (gives && each === 0) given.push({ dueMs: nowMs + givenAfterMs, stampMs });
        else begun.push(nowMs);
      }
    }
    return begun.every((ms, at) => {
      const over = begun[at + limit.count];
      return over === undefined || over - ms >= limit.perMs;
    });
  });
  t.notThrows(() => fc.assert(property, { numRuns: 60 }));
});
