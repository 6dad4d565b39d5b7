import test from "ava";
import fc from "fast-check";
import { PRIORITIES } from "../definition/traits.ts";
import { type PlayedLane, PlayedGrid } from "./_played_grid_test.ts";

const delaysMs = fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 1, maxLength: 20 });
const permits = fc.integer({ min: 1, max: 12 });

/** Lanes of any priority, each with a VO of its own. */
function lanesOf(pending: fc.Arbitrary<number>): fc.Arbitrary<PlayedLane[]> {
  const lane = fc.record({
    priority: fc.constantFrom(...PRIORITIES),
    weight: fc.integer({ min: 1, max: 8 }),
    pending,
  });
  return fc
    .array(lane, { minLength: 1, maxLength: 6 })
    .map((lanes) => lanes.map((each, number) => ({ ...each, vo: `vo${number}` })));
}

const play = fc.record({ lanes: lanesOf(fc.integer({ min: 0, max: 40 })), permits, delaysMs });
/** More messages that come to some lane after so many happenings. */
const news = fc.array(fc.record({ after: fc.nat(60), lane: fc.nat(5), count: fc.integer({ min: 1, max: 5 }) }), {
  maxLength: 8,
});

function rank(priority: (typeof PRIORITIES)[number]): number {
  return PRIORITIES.indexOf(priority);
}

test("whatever comes when, all of it starts once, and no time passes in which something could be done", (t) => {
  const property = fc.property(play, news, (played, told) => {
    const grid = new PlayedGrid(played);
    let published = grid.waiting;
    const left = [...told].sort((a, b) => a.after - b.after);
    for (let steps = 0; grid.step() || left.length > 0; steps++) {
      if (steps > 20_000) throw new Error("it goes on for ever");
      while ((left[0]?.after ?? Number.POSITIVE_INFINITY) <= steps) {
        const { lane = 0, count = 0 } = left.shift() ?? {};
        const to = grid.lanes[lane % grid.lanes.length];
        if (to !== undefined) grid.publish(to, count);
        published += count;
      }
      // The played server ends a standing pull after some ms; a hot lane is stood at for five seconds.
      if (left.length === 0 && grid.waiting === 0 && grid.started.length === published) return;
    }
    t.is(grid.started.length, published);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 300 }));
});

test("never is more in hand and asked for than permits and prefetch, and never two pulls open at one lane", (t) => {
  const property = fc.property(play, (played) => {
    const grid = new PlayedGrid(played, ({ lane, count, kind }) => {
      const { policy, permits: all, nowMs } = grid;
      if (all.taken > all.usable) throw new Error("more run than there are permits");
      const others = policy.lanes.asked() - (kind === "now" ? count : 0);
      if (kind === "now" && count > policy.room(nowMs) - others) throw new Error("a pull for more than there is room");
      if (kind === "now" && lane.asked !== count) throw new Error("a second pull at one lane");
    });
    for (let steps = 0; steps < 400 && grid.step(); steps++);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 200 }));
});

test("never is a lower priority pulled or started in place of a higher one that waits or is on its way", (t) => {
  const property = fc.property(play, news, (played, told) => {
    const grid = new PlayedGrid(
      played,
      ({ lane, kind }) => {
        if (kind === "standing") return;
        for (const other of grid.lanes) {
          if (rank(other.definition.priority) >= rank(lane.definition.priority)) continue;
          if (other.state === "ready" || other.isMoreComing || other.isPulledSoon) {
            throw new Error(`${lane.vo} was pulled before ${other.vo}`);
          }
        }
      },
      ({ lane }) => {
        const { policy, permits: all } = grid;
        const { priority } = lane.definition;
        const higher = PRIORITIES[rank(priority) - 1];
        if (higher !== undefined && policy.buffer.holds(higher)) throw new Error(`${lane.vo} before a higher one`);
        if (all.free <= policy.lanes.awaitedAbove(priority)) throw new Error(`${lane.vo} on a permit that is kept`);
      },
    );
    for (let steps = 0; steps < 400 && grid.step(); steps++) {
      for (const { after, lane, count } of told) {
        const to = grid.lanes[lane % grid.lanes.length];
        if (after === steps && to !== undefined) grid.publish(to, count);
      }
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 200 }));
});

test("VOs that always have work start by their weights, however long the answers and the tasks take", (t) => {
  const busy = fc.record({ lanes: lanesOf(fc.constant(4_000)), permits, delaysMs });
  const property = fc.property(busy, (played) => {
    const lanes = played.lanes.map((lane) => ({ ...lane, priority: "normal" as const }));
    const grid = new PlayedGrid({ ...played, lanes });
    const sum = lanes.reduce((total, { weight }) => total + weight, 0);
    while (grid.started.length < 80 * sum && grid.step());
    for (const [number, { weight, vo }] of lanes.entries()) {
      const count = grid.started.filter((lane) => lane === grid.lanes[number]).length;
      const right = (grid.started.length * weight) / sum;
      // A VO is ahead or behind by some turns at most: by what is in hand, and by what was pulled while an answer was late.
      const turns = 2 * (played.permits + 12) * weight;
      if (Math.abs(count - right) > Math.max(turns / 2, right * 0.15)) {
        throw new Error(`${vo} with weight ${weight} of ${sum} started ${count} times in ${grid.started.length}`);
      }
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 60 }));
});

test("a VO's single task is pulled with the next room, whatever others have waiting", (t) => {
  const crowd = fc.record({ lanes: lanesOf(fc.integer({ min: 500, max: 1_000 })), permits, delaysMs });
  const property = fc.property(crowd, fc.integer({ min: 20, max: 200 }), (played, after) => {
    const lanes = [
      ...played.lanes.map((lane) => ({ ...lane, priority: "normal" as const })),
      { vo: "light", priority: "normal" as const, weight: 1, pending: 0 },
    ];
    const grid = new PlayedGrid({ ...played, lanes });
    const light = grid.lanes.at(-1);
    if (light === undefined) throw new Error("there is a lane");
    for (let steps = 0; steps < after && grid.step(); steps++);
    grid.publish(light, 1);
    const before = grid.started.length;
    while (!grid.started.includes(light) && grid.step());
    const passed = grid.started.length - before;
    const heaviest = Math.max(...lanes.map(({ weight }) => weight));
    // What was in hand or asked for already, and a turn of each other lane.
    const most = 3 * (played.permits + 12) + heaviest * lanes.length;
    if (passed > most) throw new Error(`${passed} started before it, ${most} at the most are right`);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 100 }));
});
