// Tested by libs/service/src/health/health_test.ts
/**
 * The health thread: answers /healthz, /readyz and /metrics whatever the main thread is doing.
 *
 * It is a thread of its own because a task that computes for minutes holds the main thread's event loop. An app that
 * does not answer then would be taken for dead, and killed in the middle of that task.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { parentPort, workerData } from "node:worker_threads";
import type { FromThread, RunPart, ThreadStart, ToThread } from "./messages.ts";
import { tidyWhileIdle } from "../start/tidy.ts";
import { BEAT_MS, watchSilence } from "./silence.ts";
import { liveness, readiness } from "./verdict.ts";

/** Longest wait of a scrape for the main thread, ms. After it the scrape gets the metrics of the one before. */
const SCRAPE_WAIT_MS = 500;

const main = parentPort;
if (main === null) throw new Error("Cannot serve health: this file runs as a worker thread; call startHealth");
const { host, port, beats, limits, ...start }: ThreadStart = workerData;

/** What the main thread told last. Only its messages write these three; the answers read them. */
let state = start.state;
let metrics = "";
let metricsFailure: string | undefined;
/** Scrapes that wait for fresh metrics. `freshMetrics` adds one and removes it; each message of metrics ends all. */
let scrapes: (() => void)[] = [];
const counter = new Int32Array(beats);
const look = watchSilence(() => Atomics.load(counter, 0));
setInterval(() => look(performance.now()), BEAT_MS);
tidyWhileIdle();

function tell(message: FromThread): void {
  main?.postMessage(message);
}

/** Runs a part of the app that shares this thread, and tells of its end. */
async function run({ part, module, port, data }: RunPart): Promise<void> {
  let error: Error | undefined;
  try {
    const { serve } = await import(module);
    await serve(port, data);
  } catch (cause) {
    error = cause instanceof Error ? cause : new Error(String(cause), { cause });
  }
  tell({ kind: "partEnded", part, error });
}

main.on("message", (message: ToThread) => {
  if (message.kind === "run") {
    void run(message);
    return;
  }
  if (message.kind === "state") {
    state = message.state;
    return;
  }
  metricsFailure = message.kind === "metricsFailed" ? message.reason : undefined;
  if (message.kind === "metrics") metrics = message.text;
  for (const done of scrapes.splice(0)) done();
});

async function freshMetrics(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // The main thread is asked once for all waiting scrapes, so that a blocked one does not find a thousand questions.
  if (scrapes.push(resolve) === 1) tell({ kind: "scrape" });
  const timer = setTimeout(resolve, SCRAPE_WAIT_MS);
  await promise;
  clearTimeout(timer);
  scrapes = scrapes.filter((waiting) => waiting !== resolve);
}

function gauge({ name, help }: { readonly name: string; readonly help: string }, value: number): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`;
}

/** What the main thread could not tell of itself while its event loop is held. */
function ownMetrics(silentMs: number): string {
  const isReady = readiness(state, silentMs, limits).status === 200;
  return (
    gauge(
      {
        name: "muster_event_loop_silent_seconds",
        help: "For how long the main thread's event loop has been held; the other metrics are as old.",
      },
      silentMs / 1_000,
    ) + gauge({ name: "muster_ready", help: "1 while /readyz is green, 0 while it is red." }, isReady ? 1 : 0)
  );
}

function send(response: ServerResponse, status: number, { type, body }: { type: string; body: string }): void {
  response.writeHead(status, {
    "content-type": type,
    "cache-control": "no-store",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, { type: "application/json; charset=utf-8", body: `${JSON.stringify(body)}\n` });
}

async function answer({ method = "", url = "" }: IncomingMessage, response: ServerResponse): Promise<void> {
  if (method !== "GET" && method !== "HEAD")
    return sendJson(response, 405, { error: `${method} is not allowed; GET and HEAD are` });
  const silentMs = look(performance.now());
  const [path] = url.split("?");
  if (path === "/healthz" || path === "/readyz") {
    const { status, body } =
      path === "/healthz" ? liveness(state, silentMs, limits) : readiness(state, silentMs, limits);
    return sendJson(response, status, body);
  }
  if (path !== "/metrics")
    return sendJson(response, 404, { error: "not found; there are /healthz, /readyz and /metrics" });
  await freshMetrics();
  if (metricsFailure !== undefined)
    return sendJson(response, 500, { error: `Cannot collect metrics: ${metricsFailure}` });
  return send(response, 200, {
    type: "text/plain; version=0.0.4; charset=utf-8",
    body: metrics + ownMetrics(look(performance.now())),
  });
}

const server = createServer({ requestTimeout: 10_000 }, (request, response) => void answer(request, response));
server.once("error", (error: NodeJS.ErrnoException) =>
  tell({ kind: "refused", code: error.code ?? "", text: error.message }),
);
server.listen(port, host, () => {
  const address = server.address();
  tell({ kind: "listening", port: typeof address === "object" && address !== null ? address.port : port });
});
