import test from "ava";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

interface RunningApp extends AsyncDisposable {
  readonly child: ChildProcess;
  /** The exit code, once it has ended. */
  readonly exitCode: Promise<number | null>;
  /** The next log line whose message has this text. */
  line(text: string): Promise<Record<string, unknown>>;
  /** Exit code and signal, and all that was logged. */
  ended(): Promise<{ code: number | null; signal: string | null; lines: Record<string, unknown>[] }>;
}

const face = JSON.stringify(new URL("./mod.ts", import.meta.url).href);

/** Runs `body`, the text of an app's `run`, in a process of its own. */
function startApp(body: string, env: Record<string, string> = {}): RunningApp {
  const script = `import { runApp } from ${face}; await runApp("test-app", async ({ settings, log, signal, hastened, health, metrics }) => { ${body} });`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ...env },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const lines: Record<string, unknown>[] = [];
  const waiting: { text: string; resolve: (line: Record<string, unknown>) => void }[] = [];
  if (child.stdout === null) throw new Error("stdout is a pipe");
  const reader = createInterface(child.stdout).on("line", (json) => {
    const line: Record<string, unknown> = JSON.parse(json);
    lines.push(line);
    for (const { text, resolve } of waiting) if (String(line["msg"]).includes(text)) resolve(line);
  });
  const exit = once(child, "exit");
  const read = once(reader, "close");
  return {
    child,
    exitCode: exit.then(([code]) => code),
    line(text) {
      const seen = lines.find(({ msg }) => String(msg).includes(text));
      if (seen !== undefined) return Promise.resolve(seen);
      const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
      waiting.push({ text, resolve });
      return promise;
    },
    async ended() {
      const [code, signal] = await exit;
      await read;
      return { code, signal, lines };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

const UNTIL_STOPPED = `health.started(); log.info("ready"); await new Promise((resolve) => signal.addEventListener("abort", resolve));`;

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
  test(`${signal} drains and exits 0`, async (t) => {
    await using app = startApp(`${UNTIL_STOPPED} log.info("drained");`);
    await app.line("ready");
    app.child.kill(signal);
    const { code, lines } = await app.ended();
    t.is(code, 0);
    t.deepEqual(
      lines.slice(-3).map(({ msg }) => msg),
      ["stopping", "drained", "stopped"],
    );
  });
}

test("an app that is stopping is not ready, and still alive", async (t) => {
  await using app = startApp(
    `${UNTIL_STOPPED} await new Promise((resolve) => hastened.addEventListener("abort", resolve));`,
  );
  const { url } = await app.line("serving");
  await app.line("ready");
  t.is((await fetch(`${url}/readyz`)).status, 200);
  app.child.kill("SIGTERM");
  await app.line("stopping");
  // The thread that answers hears of it a moment later.
  let answer = await fetch(`${url}/readyz`);
  while (answer.status === 200) answer = await fetch(`${url}/readyz`);
  t.is(answer.status, 503);
  t.like(await answer.json(), { reasons: [{ check: "stop" }] });
  t.is((await fetch(`${url}/healthz`)).status, 200);
});

test("an app whose log is no terminal does not load what writes for one", async (t) => {
  await using app = startApp(`
    const { createRequire } = await import("node:module");
    const files = Object.keys(createRequire("/").cache);
    const of = (name) => files.filter((path) => path.includes("/" + name + "/")).length;
    log.info({ pino: of("pino"), pretty: of("pino-pretty") }, "loaded");
  `);
  const { pino, pretty } = await app.line("loaded");
  t.true(Number(pino) > 0);
  t.is(pretty, 0);
});

test("a second signal hastens a drain that still exits 0", async (t) => {
  await using app = startApp(`
    signal.addEventListener("abort", () => setTimeout(() => log.info("asked once for a second"), 600));
    health.started(); log.info("ready");
    await new Promise((resolve) => hastened.addEventListener("abort", resolve));
  `);
  await app.line("ready");
  app.child.kill("SIGTERM");
  await app.line("asked once");
  app.child.kill("SIGTERM");
  t.is((await app.ended()).code, 0);
});

test("two signals at once are one: the drain keeps its time", async (t) => {
  await using app = startApp(`
    hastened.addEventListener("abort", () => log.info("hastened"));
    health.started(); log.info("ready");
    await new Promise((resolve) => signal.addEventListener("abort", () => setTimeout(resolve, 300)));
  `);
  await app.line("ready");
  // Both wait for it, however long this process takes between them.
  for (const sent of ["SIGSTOP", "SIGTERM", "SIGINT", "SIGCONT"] as const) app.child.kill(sent);
  const { code, lines } = await app.ended();
  t.is(code, 0);
  t.false(lines.some(({ msg }) => msg === "hastened"));
});

test("an app that never ends its drain exits 0 after the deadline and says so", async (t) => {
  await using app = startApp(
    `health.started(); log.info("ready"); setInterval(() => {}, 1000); await new Promise(() => {});`,
    { MUSTER_DRAIN_SECONDS: "0" },
  );
  await app.line("ready");
  app.child.kill("SIGTERM");
  const { code, lines } = await app.ended();
  t.is(code, 0);
  t.like(lines.at(-1), {
    level: "error",
    msg: "did not stop in time; exiting with work undone, which comes back to others",
  });
});

test("an error on the way out is logged and no reason for another exit code", async (t) => {
  await using app = startApp(`${UNTIL_STOPPED} throw new Error("the broker is gone");`);
  await app.line("ready");
  app.child.kill("SIGTERM");
  const { code, lines } = await app.ended();
  t.is(code, 0);
  t.true(lines.some(({ level, msg }) => level === "warn" && msg === "an error on the way out"));
});

for (const [title, body] of [
  ["an error of run", `throw new Error("no such stream");`],
  ["an error nobody caught", `setTimeout(() => { throw new Error("no such stream"); }); ${UNTIL_STOPPED}`],
  ["a rejection nobody handled", `Promise.reject(new Error("no such stream")); ${UNTIL_STOPPED}`],
] as const) {
  test(`${title} exits 1 with the reason`, async (t) => {
    await using app = startApp(body);
    const { code, lines } = await app.ended();
    t.is(code, 1);
    t.like(lines.at(-1), { level: "fatal", err: { message: "no such stream" } });
  });
}

test("a bad setting exits 2 and names it", async (t) => {
  await using app = startApp(UNTIL_STOPPED, { HTTP_PORT: "http" });
  const { code, lines } = await app.ended();
  t.is(code, 2);
  t.is(lines.length, 1);
  t.like(lines[0], {
    level: "fatal",
    msg: 'Cannot use the settings: HTTP_PORT is "http", allowed is a whole number from 0 to 65535 (0: any free port)',
  });
});

test("an app whose supervisor is gone drains and exits 0", async (t) => {
  await using app = startApp(UNTIL_STOPPED, { MUSTER_PARENT: "1" });
  await app.line("ready");
  app.child.disconnect();
  const { code, lines } = await app.ended();
  t.is(code, 0);
  t.true(lines.some(({ demand }) => demand === "the supervisor is gone"));
});

test("a supervised app leaves Ctrl-C to its supervisor", async (t) => {
  await using app = startApp(`process.on("message", () => log.info("still here")); ${UNTIL_STOPPED}`, {
    MUSTER_PARENT: "1",
  });
  await app.line("ready");
  app.child.kill("SIGINT");
  app.child.send("are you?");
  await app.line("still here");
  app.child.kill("SIGTERM");
  t.is((await app.ended()).code, 0);
});

test("an app goes on when nobody reads its log any more", async (t) => {
  await using app = startApp(`${UNTIL_STOPPED} log.info("unheard"); process.send?.("drained");`);
  await app.line("ready");
  app.child.stdout?.destroy();
  const drained = once(app.child, "message");
  app.child.kill("SIGTERM");
  t.deepEqual((await drained)[0], "drained");
  t.is(await app.exitCode, 0);
});

test("health and metrics answer while a task holds the event loop", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-held-"));
  const mayGoOn = join(folder.path, "go");
  await using app = startApp(`
    const { existsSync } = await import("node:fs");
    health.started(); log.info("ready");
    await new Promise((resolve) => setTimeout(resolve, 300));
    log.info("computing");
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (!existsSync(${JSON.stringify(mayGoOn)})) Atomics.wait(cell, 0, 0, 50);
    log.info("finished");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  `);
  const { url } = await app.line("serving");
  await app.line("computing");
  for (const path of ["healthz", "readyz", "metrics"]) {
    const answer = await fetch(`${url}/${path}`);
    const text = await answer.text();
    t.is(answer.status, 200, path);
    if (path === "metrics") t.regex(text, /process_cpu_seconds_total/);
  }
  await writeFile(mayGoOn, "");
  await app.line("finished");
  app.child.kill("SIGTERM");
  t.is((await app.ended()).code, 0);
});
