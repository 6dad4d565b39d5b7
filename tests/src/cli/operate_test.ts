import { atLeastOnceFactory } from "@muster/tasks";
import { headers as newHeaders } from "@nats-io/transport-node";
import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { commandsOn, runMuster } from "./run_muster.ts";
import { mainFile } from "../support/built.ts";

const MAIN = mainFile("cli");
const muster = await startMuster({ vos: ["lhcb"] });
test.after.always(() => muster[Symbol.asyncDispose]());
const env = { NATS_URL: muster.nats.url, DATABASE_URL: "" };
const cli = commandsOn(env);
const IdleTask = atLeastOnceFactory()({ name: "IdleTask", per: "vo", execute() {} });

async function putLetters(task: string, count: number, reason: string): Promise<void> {
  for (let at = 0; at < count; at++) {
    const headers = newHeaders();
    headers.set("Task-Id", `${task}-${at}`);
    headers.set("Dead-Reason", reason);
    await muster.broker.js.publish(`dead.${task}.lhcb`, "{}", { headers });
  }
}

async function auditOf(action: string): Promise<readonly { readonly target: string; readonly detail?: unknown }[]> {
  return Object(await cli.json("audit", "list", "--action", action)).records;
}

test.serial("a result is printed as a table, as JSON or as YAML, and both documents say the same", async (t) => {
  const json = await cli.json("vo", "list");
  const { output: yaml } = await cli.run("vo", "list", "--output", "yaml");
  t.regex(yaml, /^- vo: lhcb\n {2}weight: 1\n {2}changedAt: \S+\n$/);
  t.is((await cli.run("vo", "list", "-o", "json")).output, `${JSON.stringify(json, null, 2)}\n`);
  t.is((await cli.run("vo", "list", "-o", "table")).output, (await cli.run("vo", "list")).output);
});

test.serial(
  "workers are listed with what they run, their memory, lag and version, and one that is drained ends",
  async (t) => {
    t.regex((await cli.run("worker", "list")).output, /^No such worker runs/);
    const worker = await muster.startWorker({ tasks: [IdleTask], permits: 3 });
    const shown = await until(async () => {
      const { output } = await cli.run("worker", "list", "-o", "wide");
      return output.includes(worker.name) ? output : undefined;
    }, "the worker's record");
    t.regex(
      shown,
      /^WORKER +STATE +PERMITS +RUNNING +BUFFERED +FOR LOCKS +LAG +MEMORY +VERSION +UP FOR +SINCE +HOST +PID +TASKS$/m,
    );
    t.regex(
      shown,
      new RegExp(
        `^${worker.name} +runs +3 +0 +0 +0 +[\\d,]+ ms +[\\d,]+ MB +\\d+\\.\\d+\\.\\d+ .* ${process.pid} +IdleTask$`,
        "m",
      ),
    );
    t.false((await cli.run("worker", "list")).output.includes("HOST"), "only `wide` has it");
    t.deepEqual(await cli.json("worker", "list", "--task", "OtherTask"), []);

    const drained = await cli.run("worker", "drain", worker.name, "nobody-1");
    t.is(drained.code, 1, "one of the two is not there");
    t.regex(drained.output, new RegExp(`^${worker.name} drains: 0 tasks go back to other workers; it ends$`, "m"));
    t.regex(drained.errors, /^Cannot drain worker "nobody-1": none of that name listens/m);
    await worker.ended;
    t.like(await auditOf("worker.drain"), [{ target: worker.name }]);
  },
);

test.serial(
  "dead letters are dropped once exactly their number is confirmed, by --yes or typed, and who did it is kept",
  async (t) => {
    await putLetters("FullTask", 3, "Error: no such table");
    await putLetters("SlowTask", 2, "TimeoutError");
    const chosen = ["--task", "FullTask", "--reason", "NO SUCH table", "--newer-than", "1h"];
    t.like(await cli.json("dead", "list", ...chosen), { total: 3 });
    t.like(await cli.json("dead", "list", "--older-than", "1h"), { total: 0, letters: [] });
    const unasked = await cli.run("dead", "drop", ...chosen);
    t.is(unasked.code, 1);
    t.regex(unasked.errors, /Type 3 to delete 3 dead letters for good: .*"" is not 3; .*--yes 3/s);
    const wrong = await cli.run("dead", "drop", ...chosen, "--yes", "2");
    t.is(wrong.code, 1);
    t.regex(wrong.errors, /^Cannot drop 2 dead letters: 3 match, and nothing was dropped/);
    t.like(await cli.json("dead", "list"), { total: 5 }, "nothing was dropped so far");
    t.deepEqual(await cli.json("dead", "drop", ...chosen, "--yes", "3"), { matching: 3, dropped: 3, missing: [] });
    const typed = await runMuster(["dead", "drop", "--task", "SlowTask"], env, "2\n");
    t.is(typed.output, "dropped 2 of 2 dead letters\n");
    const kept = await auditOf("dead.drop");
    t.like(kept[0], { target: "dead letters of SlowTask", detail: { dropped: 2 } });
    t.like(kept[1], { target: "dead letters of FullTask", detail: { reason: "NO SUCH table", dropped: 3 } });
    t.is((await cli.run("dead", "drop", "--all", "--yes")).output, "no dead letter matches; nothing was dropped\n");
    const none = await cli.run("dead", "drop", "4711", "--yes");
    t.is(none.code, 1);
    t.regex(none.errors, /There is no dead letter 4711/);
  },
);

test.serial("what a command changes is kept with who did it, and what changed nothing is not", async (t) => {
  await cli.run("vo", "add", "cms", "--weight", "3");
  await cli.run("queue", "pause", "--vo", "cms", "--reason", "CE is down\u001b[31m");
  await cli.run("queue", "resume", "--vo", "cms");
  await cli.run("queue", "resume", "--vo", "cms");
  await cli.run("schedule", "set", "MyCheckPilotsTask", "every 7s", "--vo", "cms");
  await cli.run("schedule", "pause", "MyCheckPilotsTask");
  t.like(await auditOf("vo"), [{ action: "vo.add", target: "cms", from: "cli", detail: { weight: 3 } }]);
  t.like(await auditOf("queue"), [{ action: "queue.resume" }, { action: "queue.pause", target: "all tasks of cms" }]);
  t.is((await auditOf("queue")).length, 2, "the second resume changed nothing");
  t.like(await auditOf("schedule.set"), [{ target: "MyCheckPilotsTask of cms", detail: { schedule: "every 7s" } }]);
  const { output } = await cli.run("audit", "list", "--target", "cms", "--limit", "3");
  t.regex(output, /^ *\d+ +\d{4}-\S+Z +\S+@\S+ +cli +queue\.pause +all tasks of cms +.*CE is down\\u001b/m);
  t.regex(output, /older ones with --before \d+$/m);
});

/** Passes connections on to the test's NATS server, and counts them. */
async function startCounter() {
  const { hostname, port } = new URL(muster.nats.url);
  let connections = 0;
  const counter = createServer((near) => {
    connections++;
    const far = connect(Number(port), hostname);
    const end = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on("error", end);
    near.pipe(far).pipe(near);
  });
  counter.listen(0, "127.0.0.1");
  await once(counter, "listening");
  const { port: own } = Object(counter.address());
  return {
    url: `nats://127.0.0.1:${own}`,
    connections: () => connections,
    [Symbol.dispose]: () => void counter.close(),
  };
}

test.serial(
  "--watch prints the list again and again on one connection until it is interrupted, and then ends with 0",
  async (t) => {
    using counter = await startCounter();
    const child = spawn(process.execPath, [MAIN, "queue", "list", "--json", "--watch", "1s"], {
      env: { ...process.env, ...env, NATS_URL: counter.url },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const closed = once(child, "close");
    const looks: { readonly queues: readonly { readonly task: string; readonly waiting: number }[] }[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      looks.push(JSON.parse(line));
      if (looks.length === 1) await muster.publish(IdleTask, { vo: "lhcb" });
      const last = looks.at(-1)?.queues.find(({ task }) => task === "IdleTask");
      if (last !== undefined) {
        t.is(last.waiting, 1);
        child.kill("SIGINT");
      }
    }
    t.is((await closed)[0], 0);
    t.true(looks.length > 1);
    t.is(counter.connections(), 1);
    t.deepEqual(
      looks[0]?.queues.filter(({ task }) => task === "IdleTask"),
      [],
    );
  },
);
