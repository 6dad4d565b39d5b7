import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { every } from "../calendar/schedule.ts";
import type { Broker } from "../broker/broker.ts";
import { listen, periodic, startGrid } from "../schedule/_grid_test.ts";
import { measureClock, openBrokerClock } from "./broker_clock.ts";

test("a machine whose clock is off by 2 s is told of once, and once more when it is right again", async (t) => {
  await using grid = await startGrid();
  let aheadMs = 1_000;
  const clock = await openBrokerClock(grid.broker, () => Date.now() + aheadMs);
  t.deepEqual(grid.alarms, []);
  for (aheadMs of [600_000, 600_100]) await clock.sync();
  t.is(grid.alarms.length, 1);
  // The broker's time is known to half a round trip, to either side.
  t.regex(grid.alarms[0] ?? "", /(59[0-9]|60[0-9])(\.[0-9]+)? s ahead of the broker's/);
  aheadMs = -3 * 3_600_000;
  await clock.sync();
  t.regex(grid.alarms[1] ?? "", /behind the broker's/);
  t.true(Math.abs(clock.now() - Date.now()) < 10_000, "the broker's time is unmoved");
  t.true(Math.abs((await measureClock(grid.broker, () => Date.now() + 500_000)) - 500_000) < 10_000);
});

test("an answer that took five seconds moves no schedule and raises no alarm: the broker is asked again", async (t) => {
  await using grid = await startGrid();
  const { streams } = grid.broker.jsm;
  let asked = 0;
  const slow: typeof streams = Object.assign(Object.create(streams), {
    async info(...args: Parameters<typeof streams.info>) {
      const info = await streams.info(...args);
      if (asked++ === 0) await pause(5_000);
      return info;
    },
  });
  const broker = { ...grid.broker, jsm: Object.create(grid.broker.jsm, { streams: { value: slow } }) };
  const clock = await openBrokerClock(broker);
  t.deepEqual(grid.alarms, []);
  asked = 0;
  t.true(Math.abs(await clock.sync()) < 2_000);
  t.deepEqual(grid.alarms, []);
});

test.serial("when the broker's own clock jumps, schedules follow it within seconds", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  let jumpMs = 0;
  /** The same broker, whose stream tells another time. */
  function distort(broker: Broker): Broker {
    const streams = Object.create(broker.jsm.streams);
    streams.info = async (...args: Parameters<typeof broker.jsm.streams.info>) => {
      const info = await broker.jsm.streams.info(...args);
      return { ...info, ts: new Date(Date.parse(info.ts ?? "") + jumpMs).toISOString() };
    };
    return { ...broker, jsm: Object.create(broker.jsm, { streams: { value: streams } }) };
  }
  await using _leader = await grid.lead([periodic("Tick", every({ seconds: 1 }))], { distort });
  let ended = 0;
  const ending = setInterval(() => {
    for (const one of heard.seen.slice(ended)) void grid.finish(one).catch(() => undefined); // the grid is closing
    ended = heard.seen.length;
  }, 20);
  try {
    await heard.atLeast(1);
    jumpMs = 60_000;
    const [after] = await heard.atLeast(1, ({ dueAt }) => dueAt > Date.now() + 50_000);
    t.true((after?.dueAt ?? 0) < Date.now() + 62_000);
  } finally {
    clearInterval(ending);
  }
});

for (const [name, jumpMs] of [
  ["set back ten minutes", -600_000],
  ["set forward three hours", 3 * 3_600_000],
] as const) {
  test.serial(`a scheduler's clock ${name}: no time twice, none lost, and all by the broker's time`, async (t) => {
    await using grid = await startGrid();
    const heard = listen(grid.broker.nc);
    // Longer than the machine may stand still: what comes due while an occurrence waits is joined with the next.
    await using leader = await grid.lead([periodic("Tick", every({ seconds: 3 }))]);
    await heard.atLeast(1);
    const realNow = Date.now;
    Date.now = () => realNow() + jumpMs;
    try {
      for (let count = 2; count <= 4; count++) {
        const found = await heard.atLeast(count - 1);
        await grid.finish(found.at(-1) ?? t.fail());
      }
      await heard.atLeast(4);
    } finally {
      Date.now = realNow;
    }
    const times = heard.seen.map(({ dueAt }) => dueAt);
    t.deepEqual(
      times.slice(1).map((dueAt, index) => dueAt - (times[index] ?? 0)),
      times.slice(1).map(() => 3_000),
    );
    t.true(Math.abs((times.at(-1) ?? 0) - realNow()) < 30_000);
    t.true(leader.alarms.every((message) => /clock/.test(message)));
  });
}
