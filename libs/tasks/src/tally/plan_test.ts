import test from "ava";
import * as fc from "fast-check";
import { type Plan, planTally, roomIn, type Want, type Wanted } from "./plan.ts";
import { parseTally } from "./parse_tally.ts";
import { emptyTally, type Mode, printTally, type Tally } from "./tally.ts";

const TTL_MS = 15_000;
const at = (ms: number) => ({ earliestMs: ms, latestMs: ms });
let lastId = 0;

function want(holder: string, mode: Mode, more: Partial<Want> = {}): Want {
  return {
    id: ++lastId,
    mode,
    limit: undefined,
    holder,
    worker: "w",
    taskId: "t",
    since: "",
    ttlMs: TTL_MS,
    others: 0,
    ...more,
  };
}

function wanted(line: string, more: Partial<Wanted>): Wanted {
  const none = { wants: [], drops: [], renewals: [], refunds: [], moves: [], lines: [], leaves: [] };
  return { line, ...none, limit: undefined, standsStill: () => false, ...more };
}

const waits = (mode: "shared" | "exclusive") => ({ lines: [{ mode, worker: "w", ttlMs: TTL_MS, isDue: false }] });
const holders = ({ granted }: Plan) => granted.map(({ want: { holder } }) => holder);

test("one write serves all who ask, first come first, as far as there is room", (t) => {
  const limit = { concurrency: 2 };
  const asks = ["a", "b", "c"].map((holder) => want(holder, "one", { limit }));
  const plan = planTally(emptyTally(), wanted("here", { wants: asks, limit }), at(0));
  t.deepEqual(holders(plan), ["a", "b"]);
  t.deepEqual(
    plan.refused.map(({ holder }) => holder),
    ["c"],
  );
  t.is(printTally(parseTally(printTally(plan.draft)) ?? emptyTally()), printTally(plan.draft));
  const next = planTally(
    plan.draft,
    wanted("here", { drops: ["a"], wants: [want("c", "one", { limit })], limit }),
    at(1),
  );
  t.deepEqual(holders(next), ["c"]);
});

test("a lease that is not renewed is free a second after its time to live, and one whose time stands still as well", (t) => {
  const limit = { concurrency: 1 };
  const { draft } = planTally(emptyTally(), wanted("here", { wants: [want("gone", "one", { limit })], limit }), at(0));
  const ask = { wants: [want("next", "one", { limit })], limit };
  t.deepEqual(holders(planTally(draft, wanted("there", ask), at(TTL_MS + 1_000))), []);
  t.is(roomIn(draft, { line: "there", limit }, TTL_MS).nextInMs, 1_000);
  t.deepEqual(holders(planTally(draft, wanted("there", ask), at(TTL_MS + 1_001))), ["next"]);
  t.deepEqual(holders(planTally(draft, wanted("there", { ...ask, standsStill: (name) => name === "gone" }), at(0))), [
    "next",
  ]);
});

test("a reader that has died frees the writer a second after its time to live", (t) => {
  const { draft } = planTally(emptyTally(), wanted("here", { wants: [want("gone", "shared")] }), at(0));
  const ask = { wants: [want("next", "exclusive")] };
  t.deepEqual(holders(planTally(draft, wanted("there", ask), at(TTL_MS + 1_000))), []);
  t.deepEqual(holders(planTally(draft, wanted("there", ask), at(TTL_MS + 1_001))), ["next"]);
});

test("a writer that waits goes before readers who come later, and readers who waited before the next writer", (t) => {
  const reading = planTally(emptyTally(), wanted("a", { wants: [want("r1", "shared")] }), at(0)).draft;
  const queued = planTally(
    reading,
    wanted("b", { wants: [want("w1", "exclusive")], ...waits("exclusive") }),
    at(1),
  ).draft;
  const late = planTally(queued, wanted("c", { wants: [want("r2", "shared")], ...waits("shared") }), at(2));
  t.deepEqual(holders(late), []);
  const second = planTally(
    late.draft,
    wanted("d", { wants: [want("w2", "exclusive")], ...waits("exclusive") }),
    at(3),
  ).draft;
  const freed = planTally(second, wanted("a", { drops: ["r1"] }), at(4)).draft;
  for (const line of ["c", "d"]) t.is(roomIn(freed, { line, limit: undefined }, 5).forWriter, false);
  const writing = planTally(freed, wanted("b", { wants: [want("w1", "exclusive")] }), at(5));
  t.deepEqual(holders(writing), ["w1"]);
  const over = planTally(writing.draft, wanted("b", { drops: ["w1"] }), at(6)).draft;
  t.is(roomIn(over, { line: "d", limit: undefined }, 6).forWriter, false);
  t.deepEqual(holders(planTally(over, wanted("c", { wants: [want("r2", "shared")] }), at(7))), ["r2"]);
});

test("the last task of a process that gets the lock takes its place in the line along, and one of several does not", (t) => {
  const ask = { wants: [want("w1", "exclusive")], ...waits("exclusive") };
  t.deepEqual(planTally(emptyTally(), wanted("a", ask), at(0)).draft.waiting, []);
  const several = { wants: [want("w1", "exclusive", { others: 1 })], ...waits("exclusive") };
  t.is(planTally(emptyTally(), wanted("a", several), at(0)).draft.waiting.length, 1);
});

test("a process that waits and dies lets the others pass a second after its time to live", (t) => {
  const reading = planTally(emptyTally(), wanted("a", { wants: [want("r1", "shared")] }), at(0)).draft;
  const queued = planTally(
    reading,
    wanted("dead", { wants: [want("w1", "exclusive")], ...waits("exclusive") }),
    at(0),
  ).draft;
  const renewed = planTally(queued, wanted("a", { renewals: [{ holder: "r1", ttlMs: TTL_MS }] }), at(10_000)).draft;
  const ask = () => wanted("c", { wants: [want("r2", "shared")] });
  t.deepEqual(holders(planTally(renewed, ask(), at(TTL_MS + 1_000))), []);
  t.deepEqual(holders(planTally(renewed, ask(), at(TTL_MS + 1_001))), ["r2"]);
});

interface Process {
  readonly line: string;
  /** Holders with the moment up to which the process may believe in them. */
  readonly held: Map<string, { readonly mode: Mode; untilMs: number }>;
}

/** Plays processes that take, renew, release, wait and die over one tally, and returns what went wrong. */
function play(steps: readonly Step[], limit: Wanted["limit"]): string | undefined {
  const processes: Process[] = ["a", "b", "c"].map((line) => ({ line, held: new Map() }));
  let tally: Tally = emptyTally();
  let nowMs = 0;
  for (const { who, what, mode, afterMs } of steps) {
    nowMs += afterMs;
    const process = processes[who];
    if (process === undefined) continue;
    const { line, held } = process;
    // A holder believes in its lease for a second less than its time to live.
    for (const [holder, { untilMs }] of held) if (untilMs < nowMs) held.delete(holder);
    const [oldest] = held.keys();
    const side = limit !== undefined ? "one" : mode;
    const holder = `${line}${++lastId}`;
    if (what === "die") {
      held.clear();
      continue;
    }
    const plan = planTally(
      tally,
      wanted(line, {
        limit,
        ...(what === "take" ? { wants: [want(holder, side, { limit })] } : {}),
        ...(what === "wait" && limit === undefined ? waits(mode) : {}),
        ...(what === "leave" ? { leaves: [mode] } : {}),
        ...(what === "drop" && oldest !== undefined ? { drops: [oldest] } : {}),
        renewals: what === "renew" ? [...held.keys()].map((each) => ({ holder: each, ttlMs: TTL_MS })) : [],
      }),
      at(nowMs),
    );
    tally = plan.draft;
    if (what === "drop" && oldest !== undefined) held.delete(oldest);
    if (plan.granted.length > 0) held.set(holder, { mode: side, untilMs: 0 });
    const renewed = what === "renew" ? [...held.keys()] : plan.granted.map(({ want: { holder: each } }) => each);
    for (const each of renewed) {
      const lease = held.get(each);
      if (lease !== undefined) lease.untilMs = nowMs + TTL_MS - 1_000;
    }
    const live = processes.flatMap((each) => [...each.held.values()].filter(({ untilMs }) => untilMs >= nowMs));
    const writers = live.filter((each) => each.mode === "exclusive").length;
    if (writers > 0 && live.length > 1) return `a writer and ${live.length - 1} others at ${nowMs} ms`;
    if (limit !== undefined && "concurrency" in limit && live.length > limit.concurrency)
      return `${live.length} at a time`;
  }
  return undefined;
}

interface Step {
  readonly who: number;
  readonly what: "take" | "drop" | "renew" | "wait" | "leave" | "die";
  readonly mode: "shared" | "exclusive";
  readonly afterMs: number;
}

test("whatever processes do and whenever they die, no writer is beside another, and no more than the limit hold a lease", (t) => {
  const step = fc.record({
    who: fc.integer({ min: 0, max: 2 }),
    what: fc.constantFrom("take", "take", "take", "drop", "renew", "wait", "leave", "die"),
    mode: fc.constantFrom("shared", "exclusive"),
    afterMs: fc.constantFrom(0, 1, 100, 5_000, 17_000),
  });
  const limits = fc.constantFrom(undefined, { concurrency: 1 }, { concurrency: 3 });
  const property = fc.property(fc.array(step, { maxLength: 80 }), limits, (steps, limit) => {
    const wrong = play(steps, limit);
    if (wrong !== undefined) throw new Error(wrong);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});

test("quota that is given back after its window has passed is not taken from a task of another process", (t) => {
  const limit = { rate: { count: 5, perMs: 1_000 } };
  const five = (name: string) => Array.from({ length: 5 }, (_, each) => want(`${name}${each}`, "one", { limit }));
  const late = planTally(emptyTally(), wanted("late", { wants: five("late"), limit }), at(0));
  const other = planTally(late.draft, wanted("other", { wants: five("other"), limit }), at(1_060));
  t.is(other.granted.length, 5);
  const refunds = late.granted.flatMap(({ stampMs }) => stampMs ?? []);
  const back = planTally(other.draft, wanted("late", { refunds, limit }), at(1_700));
  const more = planTally(back.draft, wanted("other", { wants: five("more"), limit }), at(1_701));
  t.deepEqual(holders(more), []);
});

test("quota comes back at once, however long its window is", (t) => {
  for (const perMs of [100, 1_000, 60_000, 3_600_000, 86_400_000]) {
    const limit = { rate: { count: 1, perMs } };
    const first = planTally(
      emptyTally(),
      wanted("here", { wants: [want("first", "one", { limit })], limit }),
      at(12_345),
    );
    const refunds = first.granted.flatMap(({ stampMs }) => stampMs ?? []);
    const back = planTally(first.draft, wanted("here", { refunds, limit }), at(12_346));
    const next = planTally(back.draft, wanted("there", { wants: [want("next", "one", { limit })], limit }), at(12_346));
    t.deepEqual(holders(next), ["next"], `${perMs} ms`);
  }
});
