import { changeConfiguration } from "@muster/tasks/operate";
import test from "ava";
import { appendFile, mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBundled } from "../support/child_process.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { LIMIT, LimitsTask, TTL_MS } from "./limits_task.ts";

const WORKER = new URL("./limits_main.ts", import.meta.url);
/** How soon the server hands the message of a killed worker to another one, ms. */
const ACK_WAIT_MS = 5_000;
const LHCB_LIMIT = 2;
/** Number of tasks of `atlas` that may begin in an hour. */
const ATLAS_RATE = 5;
const VOS = ["lhcb", "atlas", "cta"];
/** Longer than any test. */
const LONG_MS = 600_000;

interface Line {
  readonly what: string;
  readonly pid: string;
  readonly vo: string;
  readonly side: string;
}

async function readRuns(path: string): Promise<readonly Line[]> {
  const text = await readFile(path, "utf8");
  return text.split("\n").flatMap((line) => {
    const [what = "", pid = "", vo = "", side = ""] = line.split(" ");
    return what === "" ? [] : [{ what, pid, vo, side }];
  });
}

/** The runs that are under way after each line. Those of a killed process have ended. */
function* underWay(lines: readonly Line[]): Generator<readonly Line[]> {
  let running: Line[] = [];
  for (const line of lines) {
    if (line.what === "killed") running = running.filter(({ pid }) => pid !== line.pid);
    else if (line.what === "begins") running = [...running, line];
    else {
      const at = running.findIndex(({ pid, vo, side }) => pid === line.pid && vo === line.vo && side === line.side);
      running = running.toSpliced(at, at < 0 ? 0 : 1);
    }
    yield running;
  }
}

test("I28 to I30: limits of several VOs and a lock hold while NATS and a worker are killed, and all permits come back", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-limits-"));
  const path = join(folder.path, "runs");
  await appendFile(path, "");
  await using muster = await startMuster({ vos: VOS });
  await changeConfiguration(muster.broker, (now) => ({
    ...now,
    tasks: { LimitsTask: { vos: { lhcb: { concurrency: LHCB_LIMIT }, atlas: { rate: `${ATLAS_RATE}/1h` } } } },
  }));
  for (const vo of VOS) await muster.declareConsumer("LimitsTask", vo, ACK_WAIT_MS);
  const sides = ["reads", "neither", "reads", "writes"] as const;
  const published = VOS.flatMap((vo) =>
    Array.from({ length: 8 }, (_, index) => ({ vo, payload: { ms: 150, side: sides[index % 4] ?? "reads" } })),
  );
  for (const { vo, payload } of published) await muster.publish(LimitsTask, { vo, payload });
  const begun = (count: number, of = (_: Line) => true) =>
    until(
      async () =>
        (await readRuns(path)).filter((line) => line.what === "begins" && of(line)).length >= count || undefined,
      `the begin of ${count} runs`,
    );

  await using worker = await startBundled(WORKER, { NATS_URL: muster.nats.url, RUN_LOG: path });
  const here = { tasks: [LimitsTask], deps: () => ({ path }), lockTtlMs: TTL_MS };
  const first = await muster.startWorker(here);
  await worker.line(/works/);
  await begun(2);
  await muster.nats.kill();
  await muster.nats.start();
  await muster.reconnected();
  await begun(4);
  // So that the worker which is killed has some of these in hand.
  await first.drain();
  const long = await Promise.all(
    Array.from({ length: 2 * LIMIT }, () =>
      muster.publish(LimitsTask, { vo: "cta", payload: { ms: TTL_MS, side: "neither" } }),
    ),
  );
  await until(async () => {
    const running = [...underWay(await readRuns(path))].at(-1) ?? [];
    return running.some(({ pid }) => pid === String(worker.pid)) || undefined;
  }, "a run of the worker that is killed");
  worker.kill("SIGKILL");
  await worker.exited;
  await appendFile(path, `killed ${worker.pid} - -\n`);
  await muster.startWorker(here);
  for (const { taskId } of long) await muster.event("done", taskId);

  const ofAtlas = (await readRuns(path)).filter(({ what, vo }) => what === "begins" && vo === "atlas");
  t.true(ofAtlas.length <= ATLAS_RATE, `${ofAtlas.length} tasks of atlas began in an hour`);
  await changeConfiguration(muster.broker, (now) => ({
    ...now,
    tasks: { LimitsTask: { vos: { lhcb: { concurrency: LHCB_LIMIT } } } },
  }));
  await muster.settled();

  const last = await Promise.all(
    Array.from({ length: LIMIT + 1 }, () =>
      muster.publish(LimitsTask, { vo: "cta", payload: { ms: LONG_MS, side: "neither" } }),
    ),
  );
  const runs = await readRuns(path);
  const isFull = async () => [...underWay(await readRuns(path))].at(-1)?.length === LIMIT || undefined;
  await until(isFull, `${LIMIT} runs at a time, as many as before the kills`);
  await Promise.any(last.map(({ taskId }) => muster.event("contended", taskId)));
  t.true(new Set(runs.map(({ vo }) => vo)).isSupersetOf(new Set(VOS)));
  for (const running of underWay(await readRuns(path))) {
    const writers = running.filter(({ side }) => side === "writes").length;
    const readers = running.filter(({ side }) => side === "reads").length;
    if (running.length > LIMIT) t.fail(`${running.length} at a time`);
    if (running.filter(({ vo }) => vo === "lhcb").length > LHCB_LIMIT) t.fail("more of lhcb than its limit");
    if (writers > 1 || (writers === 1 && readers > 0)) t.fail(`${writers} writers and ${readers} readers at a time`);
  }
});
