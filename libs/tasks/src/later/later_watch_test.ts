import { JetStreamApiError } from "@nats-io/jetstream";
import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { countDeadLetters } from "../dead/dead_letters.ts";
import { headersFrom, MSG_ID, ROLLUP, SCHEDULE, SCHEDULE_TARGET, TASK_ID } from "../format/headers.ts";
import { listIncidents } from "../broker/incidents.ts";
import { deleteStored, purgeStored } from "../broker/stored_messages.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { LATER } from "../streams/streams.ts";
import { type Grid, periodic, startGrid } from "../schedule/_grid_test.ts";
import { openBrokerClock } from "../lead/broker_clock.ts";
import { fixedCharges } from "../lead/charges.ts";
import { watchLater } from "./later_watch.ts";
import { createReporter } from "../lead/reporter.ts";
import { createLaterSweep } from "../sweep/sweep_later.ts";

const HOUR_MS = 3_600_000;

function delayed(vo: string, inMs: number): Record<string, string> {
  return { [SCHEDULE]: `@at ${new Date(Date.now() + inMs).toISOString()}`, [SCHEDULE_TARGET]: `due.PerVo.${vo}` };
}

/** What a client publishes, delayed tasks among it. */
async function send({ broker }: Grid, subject: string, headers: Record<string, string>): Promise<void> {
  await broker.js.publish(subject, "{}", { headers: headersFrom(headers) });
}

/** The watch with the sweep that feeds it, as the leader has them, looking when it is told to. */
async function openWatch(grid: Grid) {
  const { broker, configuration } = grid;
  const real = await openBrokerClock(broker);
  let forwardMs = 0;
  const clock = { ...real, now: () => real.now() + forwardMs };
  const report = createReporter(broker.observer);
  const later = watchLater({ broker, clock, report, isLed: () => true });
  const sweep = createLaterSweep({
    ...{ broker, worker: "test", tasks: [], configuration, clock, report, later },
    charges: fixedCharges([]),
  });
  return {
    async look() {
      await broker.nc.flush(); // what was published before has been heard
      await later.look();
    },
    async readHeard() {
      await broker.nc.flush();
      await later.readHeard();
    },
    /** Plays a broker whose clock is so much further on. */
    setForward(ms: number) {
      forwardMs = ms;
    },
    async read() {
      while (Number.isFinite(await sweep.pass()));
    },
    [Symbol.dispose]: () => later[Symbol.dispose](),
  };
}

/** Resolves with the kinds of incidents that are kept, once there are `count`. */
async function incidents({ broker }: Grid, count: number): Promise<readonly string[]> {
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(50)) {
    const kept = await listIncidents(broker);
    if (kept.length >= count) return kept.map(({ kind }) => kind).sort();
  }
  throw new Error(`not ${count} incidents`);
}

async function lying({ broker }: Grid): Promise<readonly string[]> {
  const { state } = await broker.jsm.streams.info(LATER, { subjects_filter: "later.>" });
  return Object.keys(state.subjects ?? {}).sort();
}

for (const [what, subject, headers] of [
  ["a roll-up of all on due.>", "due.PerVo.lhcb", { [ROLLUP]: "all" }],
  ["a roll-up of all on later.>", "later.PerVo.lhcb.x", { [ROLLUP]: "all" }],
  ["a schedule on a literal pattern", "later.>", delayed("lhcb", HOUR_MS)],
] as const) {
  test(`${what} empties LATER: that is told at once and for the doctor, and what was there is stored again`, async (t) => {
    await using grid = await startGrid();
    using watch = await openWatch(grid);
    for (const id of ["one", "two"]) await send(grid, `later.PerVo.lhcb.${id}`, delayed("lhcb", HOUR_MS));
    await watch.read();
    await watch.look();
    t.deepEqual(grid.alarms, []);
    await send(grid, "later.PerVo.lhcb.young", delayed("lhcb", HOUR_MS)); // the sweep has not read it there yet
    await watch.readHeard();
    await send(grid, subject, headers);
    t.deepEqual(
      (await lying(grid)).filter((each) => each !== subject),
      [],
    );
    await watch.look();
    t.is(grid.alarms.length, 2);
    t.true(grid.alarms[0]?.includes(`on ${subject} `), grid.alarms[0]);
    t.regex(
      grid.alarms[1] ?? "",
      /^3 delayed tasks or retries vanished .*: later\.PerVo\.lhcb\.one, .*; all were stored again/,
    );
    t.deepEqual(await incidents(grid, 2), ["rollup", "vanished"]);
    const back = ["one", "two", "young"].map((id) => `later.PerVo.lhcb.${id}`);
    t.deepEqual(
      (await lying(grid)).filter((each) => each !== subject),
      back,
    );
    await watch.read();
    await watch.look();
    t.is(grid.alarms.length, 2, "it is told once");
  });
}

test("a delayed task that is stored again has its identity, its time and what its client gave it, also where it was due meanwhile", async (t) => {
  await using grid = await startGrid();
  using watch = await openWatch(grid);
  const subject = "later.PerVo.lhcb.hour";
  const inAnHour = delayed("lhcb", HOUR_MS);
  await send(grid, subject, { ...inAnHour, [MSG_ID]: "mine", Other: "kept", [ROLLUP]: "sub" });
  await watch.read();
  await send(grid, "due.PerVo.lhcb", { [ROLLUP]: "all" });
  await grid.broker.nc.flush();
  watch.setForward(2 * HOUR_MS);
  await watch.look();
  const stored = await grid.broker.jsm.streams.getMessage(LATER, { last_by_subj: subject });
  t.is(stored?.header?.get(TASK_ID), "mine");
  t.is(stored?.header?.get("Other"), "kept");
  t.is(stored?.header?.get(SCHEDULE), inAnHour[SCHEDULE]);
  t.is(stored?.header?.get(SCHEDULE_TARGET), "due.PerVo.lhcb");
});

test("a roll-up on one subject of due.> is told, and what fires as it must meanwhile is not stored again", async (t) => {
  await using grid = await startGrid();
  using watch = await openWatch(grid);
  await send(grid, "later.PerVo.lhcb.fires", delayed("lhcb", 1_500));
  await send(grid, "later.PerVo.lhcb.stays", delayed("lhcb", HOUR_MS));
  await watch.read();
  await send(grid, "due.PerVo.cms", { [ROLLUP]: "sub" });
  while ((await lying(grid)).length === 2) await pause(20);
  await watch.look();
  t.is(grid.alarms.length, 1);
  t.regex(grid.alarms[0] ?? "", /on due\.PerVo\.cms with the header .*: it takes what is due there out of LATER/);
  t.deepEqual(await lying(grid), ["later.PerVo.lhcb.stays"]);
});

test("what somebody purges is told and not stored again: it may be meant", async (t) => {
  await using grid = await startGrid();
  using watch = await openWatch(grid);
  await send(grid, "later.PerVo.lhcb.cancelled", delayed("lhcb", HOUR_MS));
  await send(grid, "later.PerVo.lhcb.stays", delayed("lhcb", HOUR_MS));
  await watch.read();
  await grid.broker.jsm.streams.purge(LATER, { filter: "later.PerVo.lhcb.cancelled" });
  await watch.look();
  t.regex(grid.alarms.join("\n"), /^1 delayed task or retry vanished .*cancelled; retries of the ledger come again/);
  t.deepEqual(await lying(grid), ["later.PerVo.lhcb.stays"]);
});

test("what Muster itself takes away, as the message of a cancelled task, is no loss", async (t) => {
  await using grid = await startGrid();
  using watch = await openWatch(grid);
  for (const id of ["deleted", "purged", "stays"]) await send(grid, `later.PerVo.lhcb.${id}`, delayed("lhcb", HOUR_MS));
  await watch.read();
  const { broker } = grid;
  const stored = await broker.jsm.streams.getMessage(LATER, { last_by_subj: "later.PerVo.lhcb.deleted" });
  await deleteStored(broker, LATER, stored?.seq ?? 0);
  await purgeStored(broker, LATER, { subject: "later.PerVo.lhcb.purged", keep: 0 });
  await watch.look();
  t.deepEqual(grid.alarms, []);
  await send(grid, "due.PerVo.lhcb", { [ROLLUP]: "all" });
  await watch.look();
  t.regex(grid.alarms.at(-1) ?? "", /^1 delayed task or retry vanished .*; all were stored again/);
  t.deepEqual(await lying(grid), ["later.PerVo.lhcb.stays"]);
});

test("what fires, is replaced or put away, and a LATER that was declared anew, are no cause for an alarm", async (t) => {
  await using grid = await startGrid();
  using watch = await openWatch(grid);
  await send(grid, "later.PerVo.lhcb.fires", delayed("lhcb", 2_500));
  await send(grid, "later.PerVo.lhcb.sooner", delayed("lhcb", HOUR_MS));
  await send(grid, "later.PerVo.lhcb.stays", delayed("lhcb", HOUR_MS));
  await grid.broker.js.publish("later.PerVo.lhcb.bad", "{}");
  await watch.read();
  await send(grid, "later.PerVo.lhcb.sooner", delayed("lhcb", 100));
  await send(grid, "later.PerVo.lhcb.stays", { ...delayed("lhcb", HOUR_MS), [ROLLUP]: "sub" });
  for (;;) {
    const { state } = await grid.broker.jsm.streams.info(LATER);
    await watch.readHeard();
    await watch.look();
    if (state.messages === 1) break;
  }
  await pause(2_100); // the server has surely decided on what was heard
  await watch.readHeard();
  await watch.look();
  await watch.read();
  await grid.broker.jsm.streams.delete(LATER);
  await grid.broker.declareMissing();
  const told = grid.alarms.length;
  await watch.look();
  t.is(grid.alarms.length, told);
  t.regex(grid.alarms.join("\n"), /^LATER had gone and was declared again; what it held is lost$/);
});

test("of thousands that vanish the counts alone tell, and they are named", async (t) => {
  await using grid = await startGrid();
  using watch = await openWatch(grid);
  const headers = delayed("lhcb", HOUR_MS);
  const many = Array.from({ length: 6_000 }, (_, number) => `later.PerVo.lhcb.n${number}`);
  await inParallel(many, 200, (subject) => send(grid, subject, headers));
  await watch.read();
  await watch.look();
  t.deepEqual(grid.alarms, []);
  await grid.broker.jsm.streams.purge(LATER, { filter: "later.>", keep: 10 });
  await watch.look();
  t.regex(grid.alarms.join("\n"), /^5990 delayed tasks or retries vanished .* and 5985 more;/);
});

test("a leading scheduler stores again what a roll-up took, and tells of it once", async (t) => {
  await using grid = await startGrid();
  const subjects = ["one", "two"].map((id) => `later.PerVo.lhcb.${id}`);
  for (const subject of subjects) await send(grid, subject, delayed("lhcb", HOUR_MS));
  await grid.broker.js.publish("later.PerVo.lhcb.bad", "{}");
  await using leader = await grid.lead([periodic("PerVo", undefined)]);
  // Once it has put that one away it has read the others, and it listens.
  while ((await countDeadLetters(grid.broker)) === 0) await pause(20);
  await send(grid, "due.PerVo.lhcb", { [ROLLUP]: "all" });
  t.deepEqual(await incidents(grid, 2), ["rollup", "vanished"]);
  t.deepEqual(await lying(grid), subjects);
  for (const { times } of await listIncidents(grid.broker)) t.is(times, 1);
  t.is(leader.alarms.length, 2, leader.alarms.join("\n"));
});

const SUBJECT = "later.PerVo.lhcb.hour";

/** Publishes what the server refuses, or calls a duplicate. */
const IN_VAIN = {
  "that the server calls a duplicate": { headers: { [MSG_ID]: "mine" }, error: undefined },
  "that expects another sequence": { headers: { "Nats-Expected-Last-Subject-Sequence": "77" }, error: 10071 },
  "that expects another stream": { headers: { "Nats-Expected-Stream": "OTHER" }, error: 10060 },
  "that has a time to live": { headers: { "Nats-TTL": "1h" }, error: 10166 },
} as const;

async function publishInVain(grid: Grid, what: keyof typeof IN_VAIN): Promise<boolean> {
  const { headers, error } = IN_VAIN[what];
  const message = headersFrom({ ...delayed("lhcb", HOUR_MS), ...headers });
  try {
    const { duplicate } = await grid.broker.js.publish(SUBJECT, '{"in":"vain"}', { headers: message });
    return duplicate;
  } catch (cause) {
    return cause instanceof JetStreamApiError && cause.code === error;
  }
}

/** The payload that lies on a subject in LATER. */
async function payload({ broker }: Grid, subject: string): Promise<string | undefined> {
  const stored = await broker.jsm.streams.getMessage(LATER, { last_by_subj: subject });
  return stored === null ? undefined : new TextDecoder().decode(stored.data);
}

for (const what of Object.keys(IN_VAIN) as (keyof typeof IN_VAIN)[]) {
  test(`a publish ${what} neither displaces a delayed task nor is stored itself after a roll-up`, async (t) => {
    await using grid = await startGrid();
    using watch = await openWatch(grid);
    await send(grid, SUBJECT, { ...delayed("lhcb", HOUR_MS), [MSG_ID]: "mine" });
    await watch.read();
    t.true(await publishInVain(grid, what));
    for (let turn = 0; turn < 2; turn++) {
      await watch.readHeard();
      await pause(2_100); // the server has surely decided by then
    }
    await watch.look();
    t.deepEqual(grid.alarms, []);
    await send(grid, "due.PerVo.lhcb", { [ROLLUP]: "all" });
    await watch.look();
    t.is(await payload(grid, SUBJECT), "{}");
    t.regex(grid.alarms.at(-1) ?? "", /^1 delayed task or retry vanished .*; all were stored again as they were$/);
    t.is(grid.alarms.length, 2);
  });
}

test("what was published just before a roll-up and not yet read is named and not stored again, and what was read is", async (t) => {
  await using grid = await startGrid();
  using watch = await openWatch(grid);
  await send(grid, SUBJECT, delayed("lhcb", HOUR_MS));
  await watch.read();
  t.true(await publishInVain(grid, "that expects another sequence"));
  await send(grid, "later.PerVo.lhcb.young", delayed("lhcb", HOUR_MS));
  await send(grid, "due.PerVo.lhcb", { [ROLLUP]: "all" });
  await watch.look();
  t.is(await payload(grid, SUBJECT), "{}");
  t.deepEqual(await lying(grid), [SUBJECT]);
  t.is(grid.alarms.length, 3);
  t.regex(grid.alarms[1] ?? "", /^1 delayed task or retry vanished .*; all were stored again as they were$/);
  t.regex(
    grid.alarms[2] ?? "",
    /published 2 delayed tasks or retries, which may have been lost: later\.PerVo\.lhcb\.hour, later\.PerVo\.lhcb\.young;/,
  );
  t.deepEqual(await incidents(grid, 3), ["rollup", "unproven", "vanished"]);
});

test("a delayed task that was taken back by hand stays away, also where LATER is emptied just after", async (t) => {
  await using grid = await startGrid();
  using watch = await openWatch(grid);
  for (const id of ["purged", "deleted", "stays"]) await send(grid, `later.PerVo.lhcb.${id}`, delayed("lhcb", HOUR_MS));
  await watch.read();
  const { jsm } = grid.broker;
  await jsm.streams.purge(LATER, { filter: "later.PerVo.lhcb.purged" });
  const stored = await jsm.streams.getMessage(LATER, { last_by_subj: "later.PerVo.lhcb.deleted" });
  await jsm.streams.deleteMessage(LATER, stored?.seq ?? 0, false);
  await send(grid, "due.PerVo.lhcb", { [ROLLUP]: "all" });
  await watch.look();
  t.deepEqual(await lying(grid), ["later.PerVo.lhcb.stays"]);
  t.regex(grid.alarms.at(-1) ?? "", /^3 delayed tasks or retries vanished .*; 1 were stored again as they were;/);
});

test("a leading scheduler reads what was just delayed, and stores it again after a roll-up", async (t) => {
  await using grid = await startGrid();
  await send(grid, "later.PerVo.lhcb.first", delayed("lhcb", HOUR_MS));
  await grid.broker.js.publish("later.PerVo.lhcb.bad", "{}");
  await using leader = await grid.lead([periodic("PerVo", undefined)]);
  while ((await countDeadLetters(grid.broker)) === 0) await pause(20);
  // Only a reading of this very subject asks for it.
  const isRead = Promise.withResolvers<void>();
  const { nc } = grid.broker;
  nc.subscribe("_INBOX.>", {
    callback: (_error, message) => {
      if (message.string().includes(`"subject":"${SUBJECT}"`)) isRead.resolve();
    },
  });
  await nc.flush();
  await send(grid, SUBJECT, delayed("lhcb", HOUR_MS));
  await isRead.promise;
  await send(grid, "due.PerVo.lhcb", { [ROLLUP]: "all" });
  t.deepEqual(await incidents(grid, 2), ["rollup", "vanished"]);
  t.deepEqual(await lying(grid), ["later.PerVo.lhcb.first", SUBJECT]);
  t.is(leader.alarms.length, 2, leader.alarms.join("\n"));
});
