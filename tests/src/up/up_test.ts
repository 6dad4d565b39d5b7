import test from "ava";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processesOf, startUp, untilNoneLeft, type UpProcess } from "./up_process.ts";
import { mainFile } from "../support/built.ts";

const testFolder = () => mkdtempDisposable(join(tmpdir(), "muster-up-"));

interface Summary {
  readonly pilots: Readonly<Record<string, number>>;
  readonly tasks: Readonly<Record<string, number>>;
  readonly maxActiveOverCapacity: number;
}

function parseSummary(line: string | undefined): Summary {
  return JSON.parse(line ?? "no line at all");
}

// Each test goes on with the data of the one before it, since a new folder costs a new database system. They share the first start.
const folder = await testFolder();
const dataDir = join(folder.path, "new");
const started: UpProcess[] = [];
test.after.always(async () => {
  for (const up of started) await up[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** Kills the process of the data folder whose command line holds `part`. */
async function killOne(dataDir: string, part: string): Promise<void> {
  const found = (await processesOf(dataDir)).find((each) => each.includes(part));
  process.kill(Number.parseInt(found ?? "no such process", 10), "SIGKILL");
}

let first: UpProcess | undefined;

test.serial(
  "of two that start at once on a new folder one runs, and the other says who holds it since when",
  async (t) => {
    const [one, other] = [startUp(dataDir), startUp(dataDir)];
    started.push(one, other);
    const codeOf = async (up: UpProcess) => ({ up, code: await up.ended });
    const { up: loser, code } = await Promise.race([codeOf(one), codeOf(other)]);
    const winner = loser === one ? other : one;
    first = winner;
    t.is(code, 1);
    t.regex(loser.errors(), new RegExp(`process ${winner.child.pid} runs there since \\d{4}-`));
    t.deepEqual(loser.lines, [], "what failed has nothing on standard output");
    await winner.line("all is ready");
    const { dashboard } = JSON.parse(winner.lines.find((line) => line.includes("all is ready")) ?? "");
    t.regex(winner.lines[0] ?? "", new RegExp(`"msg":"the dashboard will be at ${dashboard}"`));
  },
);

test.serial("a server or an app that is killed is started again, where it was", async (t) => {
  const up = first ?? t.fail();
  t.true(up.lines.some((line) => line.includes("there was no VO and no CE; added 3 VOs, 6 CEs")));
  await killOne(dataDir, "nats-server.conf");
  await up.line("nats-server ended (SIGKILL)");
  await killOne(dataDir, mainFile("report-worker"));
  await up.line("report-worker ended (SIGKILL)");
  const served = () => up.lines.filter((line) => /nats-server \S+ serves at/.test(line));
  await up.until(() => served().length === 2);
  t.is(new Set(served().map((line) => /nats:\S+?(?=")/.exec(line)?.[0])).size, 1);
  await up.until(() => up.lines.filter((line) => /"name":"report-worker".*\/readyz/.test(line)).length === 2);
});

test.serial("after SIGTERM all is over within five seconds", async (t) => {
  const up = first ?? t.fail();
  // The next run may be too short for a pilot to come to its end on a busy machine. It has the data of this one.
  await up.until(() => up.lines.some((line) => /"DONE":[1-9].*"msg":"pilots"/.test(line)));
  const askedAt = performance.now();
  up.child.kill("SIGTERM");
  t.is(await up.ended, 0, up.errors());
  const tookMs = performance.now() - askedAt;
  t.log(`${Math.round(tookMs)} ms`);
  t.true(tookMs < 50_000, `${tookMs} ms`); // five seconds on a machine of its own
  t.deepEqual(await untilNoneLeft(dataDir, 0), []);
});

test.serial(
  "muster up --for moves pilots, keeps to every capacity, ends with a summary in JSON, and has the data of the start before it",
  async (t) => {
    await using up = startUp(dataDir, ["--for", "8"]);
    t.is(await up.ended, 0, up.errors());
    t.false(up.lines.some((line) => line.includes("there was no VO")));
    const summary = parseSummary(up.lines.at(-1));
    t.deepEqual(Object.keys(summary), ["pilots", "tasks", "maxActiveOverCapacity"]);
    t.deepEqual(Object.keys(summary.pilots), ["SUBMITTED", "RUNNING", "DONE", "FAILED"]);
    t.deepEqual(Object.keys(summary.tasks), ["done", "failed", "dead"]);
    t.true((summary.pilots["DONE"] ?? 0) > 0, JSON.stringify(summary));
    t.true((summary.tasks["done"] ?? 0) > 0, JSON.stringify(summary));
    t.is(summary.maxActiveOverCapacity, 0);
    t.deepEqual(await untilNoneLeft(dataDir, 10_000), []);
  },
);

const TIDE = join(import.meta.dirname, "..", "extension", "tide", "mod.ts");

test.serial(
  "tasks of another extension get a worker beside ours, and all end by themselves when muster up is killed",
  async (t) => {
    const up = startUp(dataDir, [], { MUSTER_EXTENSIONS: `@muster/pilot-tasks,${TIDE}` });
    await up.line("waiting for scheduler, submit-worker, check-worker, report-worker, worker");
    await up.line("all is ready");
    await up.until(() => up.lines.some((line) => /"name":"worker".*"read the tide"/.test(line)));
    up.child.kill("SIGKILL");
    await up.ended;
    t.deepEqual(await untilNoneLeft(dataDir, 60_000), []);
  },
);

test.serial("a data folder that cannot be is told with its path and what sets another", async (t) => {
  const up = startUp("/dev/null/muster");
  t.is(await up.ended, 1);
  t.regex(up.errors(), /^Cannot keep data in \/dev\/null\/muster .*--data-dir or MUSTER_DATA_DIR$/m);
});

test.serial("a taken port is told with its number and the option that changes it", async (t) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;
  for (const option of ["--nats-port", "--postgres-port", "--http-port"]) {
    const up = startUp(dataDir, [option, String(port)]);
    t.is(await up.ended, 1);
    t.true(up.errors().includes(`port ${port}`) && up.errors().includes(option), up.errors());
    t.deepEqual(await untilNoneLeft(dataDir, 10_000), []);
  }
  other.close();
});

test.serial("a NATS server of NATS_URL that is too old is refused with its version and the one needed", async (t) => {
  const info = {
    server_id: "X",
    version: "2.9.10",
    proto: 1,
    host: "127.0.0.1",
    max_payload: 1_048_576,
    headers: true,
  };
  const old = createServer((socket) => {
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    socket.on("data", (data) => void (data.includes("PING") && socket.write("PONG\r\n")));
    socket.on("error", () => socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(old, "listening");
  const { port } = old.address() as AddressInfo;
  const up = startUp(dataDir, [], { NATS_URL: `nats://127.0.0.1:${port}` });
  t.is(await up.ended, 1);
  old.close();
  t.regex(up.errors(), /2\.9\.10.*2\.12\.0/);
  t.deepEqual(await untilNoneLeft(dataDir, 10_000), []);
});
