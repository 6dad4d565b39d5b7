import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { cron } from "../calendar/schedule.ts";
import { TASKS } from "../streams/streams.ts";
import { countOn, periodic, startGrid } from "./_grid_test.ts";
import { BATCH_LIMIT, publishAtomically } from "../broker/atomic_batch.ts";
import { headersFrom } from "../format/headers.ts";
import { inParallel } from "../lead/in_parallel.ts";

const TASK_COUNT = 50;
const VO_COUNT = 200;
const COUNT = TASK_COUNT * VO_COUNT;

/** Longest wait for the answer to a batch, ms: that of the client. */
const ANSWER_WITHIN_MS = 5_000;

/** Time in which the server stores this many markers and messages without a scheduler, ms. */
async function bareMs(): Promise<number> {
  await using grid = await startGrid();
  const headers = { "Task-Id": "MyTask17/vo123/default/2027-03-28T01:00:00.000Z" };
  const batches = Array.from({ length: (2 * COUNT) / BATCH_LIMIT }, (_, batch) =>
    Array.from({ length: BATCH_LIMIT }, (_, number) => ({
      subject: `tasks.T${batch}.vo${number}`,
      headers: headersFrom(headers),
      body: "{}",
    })),
  );
  const startedAt = performance.now();
  await inParallel(batches, 4, (messages) => publishAtomically(grid.broker, messages));
  return performance.now() - startedAt;
}

/**
 * Leads schedules that are all due in one second, `waitMs` from now or a minute at most. Resolves just before. Undefined: the machine had not
 * stored the first marker of each by then.
 */
async function leadMany(waitMs: number) {
  await using opened = new AsyncDisposableStack();
  const grid = opened.use(await startGrid({ vos: Array.from({ length: VO_COUNT }, (_, vo) => `vo${vo}`) }));
  // Still in the minute of the schedule's second.
  const dueAt = Math.ceil((Date.now() + Math.min(55_000, waitMs)) / 1_000) * 1_000;
  const schedule = cron(`${new Date(dueAt).getUTCSeconds()} * * * * *`);
  const leader = opened.use(
    await grid.lead(Array.from({ length: TASK_COUNT }, (_, task) => periodic(`Task${task}`, schedule))),
  );
  const markers = async () => Object.keys(await countOn(grid, "markers.>")).length;
  while ((await markers()) < COUNT && Date.now() < dueAt - 300) await pause(100);
  if ((await markers()) < COUNT) return undefined;
  await pause(dueAt - Date.now() - 300);
  const kept = opened.move();
  return { grid, leader, dueAt, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

test("10,000 schedules due in one second are published in batches, none with a round trip of its own", async (t) => {
  const baselineMs = await bareMs();
  // Late enough for this machine to store the first markers; later where it has become slower meanwhile.
  const waits = [8, 24, 72].map((times) => 6_000 + times * baselineMs);
  let led: Awaited<ReturnType<typeof leadMany>>;
  for (const waitMs of waits) led ??= await leadMany(waitMs);
  if (led === undefined) return t.fail("this machine does not store 10,000 markers in a minute");
  await using _led = led;
  const { grid, leader, dueAt } = led;
  const before = leader.broker.nc.stats();
  for (const until = Date.now() + 60_000; Date.now() < until; await pause(50)) {
    if (Object.keys(await countOn(grid, "tasks.>")).length === COUNT) break;
  }
  const { state } = await grid.broker.jsm.streams.info(TASKS);
  const last = await grid.broker.jsm.streams.getMessage(TASKS, { seq: state.last_seq });
  const lateMs = (last?.time.getTime() ?? 0) - dueAt;
  const after = leader.broker.nc.stats();
  const sent = after.outMsgs - before.outMsgs;
  const heard = after.inMsgs - before.inMsgs;
  t.log(
    `the last of ${COUNT} was stored ${lateMs} ms after its time, ${sent} sent, ${heard} heard; bare batches take ${Math.round(baselineMs)} ms`,
  );
  const counts = Object.values(await countOn(grid, "tasks.>"));
  t.deepEqual([counts.length, Math.max(...counts)], [COUNT, 1]);
  // A batch without an answer in time is asked for again, marker by marker. That shows in how late the last one is.
  const isAnswered = lateMs < ANSWER_WITHIN_MS;
  t.true(!isAnswered || heard < COUNT / 10, `${heard} messages heard: an answer for each batch and no more`);
  t.true(!isAnswered || sent < 2 * COUNT + 500, `${sent} messages sent`);
  t.deepEqual(leader.alarms, []);
});
