import test from "ava";
import { once } from "node:events";
import { createServer } from "node:net";
import { logInto } from "../logging/log.ts";
import { type HealthOptions, startHealth } from "./health.ts";
import { ListenError } from "./listen_error.ts";

const log = logInto({ write() {} }, "test", "silent");
const options: HealthOptions = { app: "test", host: "127.0.0.1", port: 0, log, metrics: async () => "m 1\n" };

async function get(url: string): Promise<{ status: number; body: unknown }> {
  const response = await fetch(url);
  return { status: response.status, body: await response.json() };
}

/** Asks until /readyz returns `status`. The state reaches the health thread by a message. */
async function readyz(url: string, status: number): Promise<unknown> {
  const until = performance.now() + 5_000;
  while (performance.now() < until) {
    const answer = await get(`${url}/readyz`);
    if (answer.status === status) return answer.body;
  }
  throw new Error(`/readyz never answered ${status}`);
}

test("an app is alive at once and ready when it has started", async (t) => {
  await using health = await startHealth(options);
  t.like(await get(`${health.url}/healthz`), { status: 200, body: { app: "test", status: "ok" } });
  t.like(await get(`${health.url}/readyz`), {
    status: 503,
    body: { reasons: [{ check: "start", reason: "starting" }] },
  });
  health.started();
  t.like(await readyz(health.url, 200), { status: "ok", reasons: [] });
});

test("a check makes the app unready with its reason, and ready again", async (t) => {
  await using health = await startHealth(options);
  health.started();
  health.report("nats", "disconnected");
  t.like(await readyz(health.url, 503), { reasons: [{ check: "nats", reason: "disconnected" }] });
  t.is((await get(`${health.url}/healthz`)).status, 200);
  health.report("nats", undefined);
  t.like(await readyz(health.url, 200), { checks: [{ check: "start" }, { check: "nats", ok: true }] });
});

test("a probe asks on its own", async (t) => {
  await using health = await startHealth(options);
  health.started();
  health.probe("database", async () => {
    throw new Error("connection refused");
  });
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  health.probe("nats", async () => resolve());
  await asked;
  const reasons: unknown = await readyz(health.url, 503);
  t.like(reasons, { reasons: [{ check: "database" }] });
});

test("metrics are collected when they are asked for", async (t) => {
  let scrapes = 0;
  await using health = await startHealth({ ...options, metrics: async () => `scrapes ${++scrapes}\n` });
  let text = "";
  // A scrape that the main thread is too busy for shows the one before.
  while (!/^scrapes [2-9]/.test(text)) {
    const response = await fetch(`${health.url}/metrics`);
    t.is(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    text = await response.text();
  }
  t.regex(text, /^muster_event_loop_silent_seconds [0-9.]+$/m);
});

test("metrics that cannot be collected answer 500 with the reason", async (t) => {
  await using health = await startHealth({
    ...options,
    metrics: async () => {
      throw new Error("no registry");
    },
  });
  t.deepEqual(await get(`${health.url}/metrics`), {
    status: 500,
    body: { error: "Cannot collect metrics: no registry" },
  });
});

test("other paths and methods are refused", async (t) => {
  await using health = await startHealth(options);
  t.is((await get(`${health.url}/`)).status, 404);
  const response = await fetch(`${health.url}/healthz`, { method: "POST" });
  await response.body?.cancel();
  t.is(response.status, 405);
});

test("a port that is taken is named with its setting", async (t) => {
  const { promise: listening, resolve } = Promise.withResolvers<void>();
  const other = createServer().listen(0, "127.0.0.1", resolve);
  await listening;
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const error = await t.throwsAsync(startHealth({ ...options, port }), { instanceOf: ListenError });
  t.is(error?.code, "EADDRINUSE");
  t.regex(
    error?.message ?? "",
    new RegExp(`^Cannot serve health on HTTP_PORT ${port} of 127.0.0.1: the port is taken; `),
  );
  other.close();
});

test("an address this machine does not have is named with its setting", async (t) => {
  await t.throwsAsync(startHealth({ ...options, host: "192.0.2.1" }), {
    instanceOf: ListenError,
    message: /HTTP_HOST/,
  });
});

const PART = (body: string) =>
  new URL(`data:text/javascript,${encodeURIComponent(`export async function serve(port, data) { ${body} }`)}`);

test("another module runs in the health's thread, while health is answered, and tells of its end", async (t) => {
  await using health = await startHealth(options);
  const echo = PART(
    "port.postMessage(data.greeting); await new Promise((resolve) => port.once('message', resolve)); port.close();",
  );
  const { port, ended } = health.thread.run(echo, { greeting: "hello" });
  const [heard] = await once(port, "message");
  t.is(heard, "hello");
  t.like(await get(`${health.url}/healthz`), { status: 200 });
  port.postMessage("enough");
  t.is(await ended, undefined);
  t.like(await get(`${health.url}/healthz`), { status: 200 });
});

test("a module that fails in the health's thread says why, and health goes on", async (t) => {
  await using health = await startHealth(options);
  const failing = health.thread.run(PART("throw new TypeError('no server')"), {});
  const error = await failing.ended;
  t.is(error?.message, "no server");
  const missing = await health.thread.run(new URL("file:///nowhere/part.js"), {}).ended;
  t.regex(missing?.message ?? "", /nowhere/);
  t.like(await get(`${health.url}/healthz`), { status: 200 });
});
