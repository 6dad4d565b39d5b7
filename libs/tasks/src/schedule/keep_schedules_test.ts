import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { every } from "../calendar/schedule.ts";
import { withoutVo, withVo } from "../configuration/configuration.ts";
import { TASKS } from "../streams/streams.ts";
import type { Middleware } from "../definition/middleware.ts";
import { allOn, assertCounts, type Grid, listen, periodic, recurring, startGrid } from "./_grid_test.ts";
import { withSchedule, withScheduleSwitched } from "./change_schedule.ts";
import { cron } from "../calendar/schedule.ts";
import { parseMarker, printMarker } from "../broker/marker.ts";
import { until } from "../testing/patience.ts";
import { pauseSchedule, resumeSchedule } from "./pauses.ts";

const tick = every({ seconds: 1 });

async function markerOf({ broker }: Grid, subject: string) {
  const stored = await broker.jsm.streams.getMessage(TASKS, { last_by_subj: subject });
  return stored && parseMarker(stored.seq, stored.string());
}

test("each VO's occurrences come on its own grid, once each, with the marker right before the message", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "vo.cta.in2p3.fr"] });
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([periodic("Tick", tick)]);
  for (const vo of ["lhcb", "vo.cta.in2p3.fr"]) {
    const [first] = await heard.atLeast(1, ({ of }) => of === `Tick/${vo}`);
    if (first === undefined) return t.fail();
    t.true(first.heardAt > first.dueAt - 500 && first.heardAt < first.dueAt + 10_000);
    t.is((await markerOf(grid, `markers.Tick.${vo}.default`))?.message, first.sequence);
    await grid.finish(first);
    const [, second] = await heard.atLeast(2, ({ of }) => of === `Tick/${vo}`);
    t.is((second?.dueAt ?? 0) % 1_000, first.dueAt % 1_000);
    t.true((second?.dueAt ?? 0) > first.dueAt);
  }
  t.is(new Set(heard.seen.map(({ taskId }) => taskId)).size, heard.seen.length);
});

test("an occurrence states the version of its payload, so that no worker takes it for an older one", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([{ ...periodic("Tick", tick), payloadVersion: 2 }]);
  const [first] = await heard.atLeast(1);
  const stored = await grid.broker.jsm.streams.getMessage(TASKS, { seq: first?.sequence ?? 0 });
  t.is(stored?.header.get("Task-Payload-Version"), "2");
});

test("an occurrence passes the publish hooks: it has the headers that they give it, and one that they refuse comes when they let it pass", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  const choosyIds: string[] = [];
  const marking: Middleware = {
    name: "marking",
    async publish({ task, vo, taskId, headers, payload }, next) {
      if (task === "Choosy" && choosyIds.push(taskId) < 3) throw new Error("not yet");
      headers["X-Site"] = `${vo} ${JSON.stringify(payload)}`;
      await next();
    },
  };
  const choosy = recurring({ name: "Choosy", schedule: tick, missed: "all" });
  await using leader = await grid.lead([periodic("Tick", tick), choosy], { middleware: [marking] });
  const [first] = await heard.atLeast(1, ({ of }) => of === "Tick/lhcb");
  const [late] = await heard.atLeast(1, ({ of }) => of === "Choosy/lhcb");
  for (const seen of [first, late]) {
    const stored = await grid.broker.jsm.streams.getMessage(TASKS, { seq: seen?.sequence ?? 0 });
    t.is(stored?.header.get("X-Site"), "lhcb {}");
  }
  // Each that was missed counts here, so the same one was tried again.
  t.deepEqual(choosyIds.slice(0, 3), Array(3).fill(late?.taskId));
  t.is(
    leader.alarms.filter((alarm) => alarm.includes("does not let occurrences of Choosy/lhcb/default pass")).length,
    1,
  );
});

test("I19, I20: while an occurrence waits or runs none comes; when it is over, the newest one due", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([periodic("Tick", tick)]);
  const [first] = await heard.atLeast(1);
  await pause(3_500); // three occurrences come due, and must not show
  t.is(heard.seen.length, 1);
  const askedAt = Date.now();
  await grid.finish(first ?? t.fail());
  const [, second] = await heard.atLeast(2);
  t.true((second?.heardAt ?? 0) - askedAt < 10_000);
  t.true((second?.dueAt ?? 0) > askedAt - 1_500, "it is the newest, not the one after the last");
  await assertCounts(t, grid, { on: "tasks.>", are: { "tasks.Tick.lhcb": 1 } });
});

test("I20: after an outage of ten minutes one occurrence comes, the newest, and then the normal rhythm", async (t) => {
  await using grid = await startGrid();
  const dueAt = Date.now() - 600_000;
  await grid.broker.js.publish("markers.Tick.lhcb.default", printMarker({ dueAt, schedule: "every 1s", message: 0 }));
  const heard = listen(grid.broker.nc);
  const ledAt = Date.now();
  await using _leader = await grid.lead([periodic("Tick", tick)]);
  const [first] = await heard.atLeast(1);
  t.true((first?.dueAt ?? 0) > ledAt - 1_500);
  await grid.finish(first ?? t.fail());
  const [, second] = await heard.atLeast(2);
  t.true((second?.dueAt ?? 0) - (first?.dueAt ?? 0) >= 1_000);
});

test("a schedule that is due in months or years fires not now, nothing spins, and others are on time", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  const far = [periodic("Yearly", cron("0 0 29 2 *"), "all"), periodic("Rare", every({ days: 40 }), "all")];
  await using leader = await grid.lead([...far, periodic("Tick", tick)]);
  const [first] = await heard.atLeast(1);
  await pause(200);
  const { outMsgs } = leader.broker.nc.stats();
  const countedAt = Date.now();
  const [, last] = [await grid.finish(first ?? t.fail()), await heard.atLeast(2)];
  t.true(Math.abs((last.at(-1)?.heardAt ?? 0) - (last.at(-1)?.dueAt ?? 0)) < 10_000);
  t.true(heard.seen.every(({ of }) => of === "Tick/lhcb"));
  const seconds = 1 + (Date.now() - countedAt) / 1_000;
  t.true(leader.broker.nc.stats().outMsgs - outMsgs < 60 * seconds, "idle schedules ask nothing of the broker");
});

test("a changed schedule counts within a second, and not for times before the change", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  await using leader = await grid.lead([periodic("Tick", tick)]);
  const [first] = await heard.atLeast(1);
  await pause(2_200); // the new grid has a time in here
  const changedAt = Date.now();
  await grid.configure((now) => withSchedule(now, { task: "Tick" }, "every 2s"));
  await leader.configuration.refresh();
  await grid.finish(first ?? t.fail());
  const [, second] = await heard.atLeast(2);
  t.true((second?.dueAt ?? 0) > changedAt, "no time of the new grid before the change");
  t.is((await markerOf(grid, "markers.Tick.lhcb.default"))?.schedule, "every 2s");
  await grid.finish(second ?? t.fail());
  const [, , third] = await heard.atLeast(3);
  // A machine that stands still for two seconds misses a time.
  const apartMs = (third?.dueAt ?? 0) - (second?.dueAt ?? 0);
  t.true(apartMs > 0 && apartMs % 2_000 === 0, `${apartMs} ms`);
});

test("a misspelt override is reported and changes nothing", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  await using leader = await grid.lead([periodic("Tick", tick)]);
  const [first] = await heard.atLeast(1);
  const misspelt = { Tick: { schedule: "cron 0 0 31 2 *" } };
  await t.throwsAsync(
    grid.configure((now) => ({ ...now, tasks: misspelt })),
    { message: /tasks\.Tick\.schedule: .*; nothing was changed/ },
  );
  const byHand = { ...grid.configuration.current, tasks: misspelt };
  await grid.broker.buckets.config.put("current", JSON.stringify(byHand));
  const isTold = async () => /tasks\.Tick\.schedule/.test(leader.alarms.join()) || undefined;
  await until(isTold, "the alarm");
  await grid.finish(first ?? t.fail());
  await heard.atLeast(2);
  t.pass();
});

test("switched off for one VO, it is off within a second, also what waits; the others go on, and on again it begins anew", async (t) => {
  await using grid = await startGrid({ vos: ["atlas", "lhcb"] });
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([periodic("Tick", tick)]);
  await heard.atLeast(1, ({ of }) => of === "Tick/lhcb");
  const [other] = await heard.atLeast(1, ({ of }) => of === "Tick/atlas");
  const events = grid.broker.nc.subscribe("events.Tick.lhcb.dropped", { max: 1 });
  await grid.configure((now) => withScheduleSwitched(now, { task: "Tick", vo: "lhcb" }, "off"));
  for (const event of await allOn(events)) t.regex(event.string(), /switched off/);
  await assertCounts(t, grid, { on: "tasks.Tick.lhcb", are: {} });
  await grid.finish(other ?? t.fail());
  await heard.atLeast(2, ({ of }) => of === "Tick/atlas");
  await pause(1_500);
  t.is(heard.seen.filter(({ of }) => of === "Tick/lhcb").length, 1);

  const onAt = Date.now();
  await grid.configure((now) => withScheduleSwitched(now, { task: "Tick", vo: "lhcb" }, "on"));
  const [, again] = await heard.atLeast(2, ({ of }) => of === "Tick/lhcb");
  t.true((again?.dueAt ?? 0) > onAt);
});

test("an added VO has its schedule at once; a removed one loses marker and waiting occurrence", async (t) => {
  await using grid = await startGrid({ vos: ["lhcb", "atlas"] });
  const heard = listen(grid.broker.nc);
  await using leader = await grid.lead([periodic("Tick", tick)]);
  await heard.atLeast(1, ({ of }) => of === "Tick/lhcb");
  await grid.configure((now) => withVo(now, "cms"));
  await heard.atLeast(1, ({ of }) => of === "Tick/cms");
  const dropped = grid.broker.nc.subscribe("events.Tick.lhcb.dropped", { max: 1 });
  await grid.configure((now) => withoutVo(now, "lhcb"));
  await pause(1_200);
  await leader[Symbol.asyncDispose]();
  const before = heard.seen.filter(({ of }) => of === "Tick/lhcb").length;
  t.is(before, 1);
  // A leader sweeps first of all.
  await using _next = await grid.lead([periodic("Tick", tick)]);
  for (const event of await allOn(dropped)) t.regex(event.string(), /was removed/);
  await pause(100);
  await assertCounts(t, grid, { on: "*.Tick.lhcb.>", are: {} });
  await assertCounts(t, grid, { on: "tasks.Tick.lhcb", are: {} });
});

test("a paused schedule rests, and its newest missed time comes right after it is resumed", async (t) => {
  await using grid = await startGrid({ vos: ["atlas", "lhcb"] });
  await pauseSchedule(grid.broker, { task: "Tick", vo: "lhcb" }, { reason: "CE is down" });
  const heard = listen(grid.broker.nc);
  await using _leader = await grid.lead([periodic("Tick", tick)]);
  await heard.atLeast(1, ({ of }) => of === "Tick/atlas");
  await pause(2_000);
  t.false(heard.seen.some(({ of }) => of === "Tick/lhcb"));
  await resumeSchedule(grid.broker, { task: "Tick", vo: "lhcb" });
  await heard.atLeast(1, ({ of }) => of === "Tick/lhcb");
  await pauseSchedule(grid.broker, { task: "Tick" });
  // Those that come before the leader has heard of it end too, so that nothing but the pause holds the next.
  let finished: number;
  do {
    finished = heard.seen.length;
    for (const one of heard.seen) await grid.finish(one).catch(() => undefined); // most have gone already
    await pause(2_500);
  } while (heard.seen.length > finished);
  t.is(heard.seen.length, finished, "a pause of the whole task holds all its VOs");
});

test("a marker that lies hours ahead is reported and set back, and the rhythm goes on", async (t) => {
  await using grid = await startGrid();
  const dueAt = Date.now() + 3 * 3_600_000;
  await grid.broker.js.publish("markers.Tick.lhcb.default", printMarker({ dueAt, schedule: "every 1s", message: 0 }));
  await grid.broker.js.publish("markers.Tock.lhcb.default", "no marker");
  const heard = listen(grid.broker.nc);
  await using leader = await grid.lead([periodic("Tick", tick), periodic("Tock", tick)]);
  await heard.atLeast(1, ({ of }) => of === "Tick/lhcb");
  await heard.atLeast(1, ({ of }) => of === "Tock/lhcb");
  t.true(heard.seen.every((one) => one.dueAt <= one.heardAt));
  t.true(leader.alarms.some((message) => message.includes("Tick/lhcb/default was ahead of the clock")));
  t.true(leader.alarms.some((message) => message.includes("Tock/lhcb/default was unreadable")));
});

test("a scheduler that starts more often than the interval is long still meets every time", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  const task = periodic("Tick", every({ seconds: 4 }));
  let finished = 0;
  let longestMs = 0;
  while (heard.seen.length < 3) {
    const beganAt = Date.now();
    await using _leader = await grid.lead([task]);
    await pause(800);
    for (const one of heard.seen.slice(finished)) finished += Number(await grid.finish(one));
    longestMs = Math.max(longestMs, Date.now() - beganAt);
  }
  // An occurrence lies for a round or two. On a machine that stands still meanwhile, those that come due then are missed.
  const mostMs = 4_000 * Math.ceil((2 * longestMs) / 4_000);
  for (const [index, { dueAt }] of heard.seen.slice(1).entries()) {
    const apartMs = dueAt - (heard.seen[index]?.dueAt ?? 0);
    t.true(
      apartMs > 0 && apartMs % 4_000 === 0 && apartMs <= mostMs,
      `${apartMs} ms, and a round took ${longestMs} ms`,
    );
  }
});

test("an occurrence needs nothing of a stream that was deleted: it is declared anew and the rhythm goes on", async (t) => {
  await using grid = await startGrid();
  const heard = listen(grid.broker.nc);
  await using leader = await grid.lead([periodic("Tick", tick)]);
  await heard.atLeast(1);
  await grid.broker.jsm.streams.delete(TASKS);
  await heard.atLeast(2);
  t.true(leader.alarms.some((message) => message.includes("TASKS had gone")));
});
