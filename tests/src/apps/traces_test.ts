import { startTestServer } from "@muster/logic/testing";
import test, { type ExecutionContext } from "ava";
import { commandsOn } from "../cli/run_muster.ts";
import { startProcess } from "../support/child_process.ts";
import { documentedMetrics, promtool, scrapedMetrics } from "../support/metrics.ts";
import { startTestNats } from "../support/nats.ts";
import { type ReceivedSpan, startOtlpReceiver } from "../support/otlp_receiver.ts";
import { until } from "../support/until.ts";
import { type AppProcess, mainOf, startApp } from "./app_process.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** The spans below `span`, of this name. */
function below(spans: readonly ReceivedSpan[], { spanId }: ReceivedSpan, name: string | RegExp): ReceivedSpan[] {
  const isMeant = (text: string) => (typeof name === "string" ? text === name : name.test(text));
  return spans.filter((span) => span.parentId === spanId && isMeant(span.name));
}

/** The spans of a trace whose beginning and whose every parent have come; undefined before: each process sends its spans when it likes. */
function wholeTrace(spans: readonly ReceivedSpan[], traceId: string): ReceivedSpan[] | undefined {
  const trace = spans.filter((span) => span.traceId === traceId);
  const ids = new Set(["", ...trace.map(({ spanId }) => spanId)]);
  const isWhole = trace.some(({ parentId }) => parentId === "") && trace.every(({ parentId }) => ids.has(parentId));
  return isWhole ? trace : undefined;
}

/** Metrics that have series only where something goes wrong, or where tasks are medium or large. */
const SOMETIMES = new Set(["muster_lock_leases_lost_total", "muster_dead_letters", "muster_worker_threads"]);

/** Holds what apps show in /metrics against the reference, which dashboard and alert rules are held against, and shows it to promtool. */
async function checkMetrics(t: ExecutionContext, apps: readonly AppProcess[]): Promise<void> {
  const documented = await documentedMetrics();
  const scrape = async () => {
    const texts = await Promise.all(apps.map(async (app) => (await app.get("/metrics")).text));
    const found = new Map<string, Set<string>>();
    for (const text of texts) {
      for (const [name, labels] of scrapedMetrics(text)) {
        found.set(name, new Set([...(found.get(name) ?? []), ...labels]));
      }
    }
    return { texts, found };
  };
  // The scheduler's figures come within ten seconds of the first scrape.
  const { texts, found } = await until(async () => {
    const scraped = await scrape();
    return (scraped.found.get("muster_pilots")?.size ?? 0) > 0 ? scraped : undefined;
  }, "the figures of the scheduler");
  t.deepEqual([...found.keys()].sort(), [...documented.keys()].sort());
  for (const [name, labels] of documented) {
    const shown = [...(found.get(name) ?? [])].sort();
    const isUnseen = shown.length === 0 && (SOMETIMES.has(name) || name.startsWith("muster_queue_"));
    if (!isUnseen) t.deepEqual(shown, [...labels].sort(), name);
  }
  for (const text of texts) {
    const told = await promtool(["check", "metrics"], text);
    // What prom-client says of the process is not ours to mend.
    const ofOurs = (told?.said ?? "").split("\n").filter((line) => line.startsWith("muster_"));
    t.deepEqual(ofOurs, []);
  }
}

test("one trace runs from the scheduler's publish over the parent to each child, its locks and its SQL", async (t) => {
  await using receiver = await startOtlpReceiver();
  await using nats = await startTestNats();
  const databaseUrl = await server.createEmptyUrl();
  const more = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: "50" };
  const muster = commandsOn({ NATS_URL: nats.url, DATABASE_URL: databaseUrl, ...more });
  await muster.json("migrate");
  await muster.json("vo", "add", "lhcb");
  await muster.json("ce", "add", "ce01", "--capacity", "1");
  await muster.json("schedule", "set", "MySubmitPilotsTask", "every 1s");
  const apps = { natsUrl: nats.url, databaseUrl, more };
  await using scheduler = await startApp("scheduler", apps);
  await using worker = await startApp("worker", { ...apps, more: { ...more, OTEL_SERVICE_NAME: "pilots" } });
  const published = (await muster.json("task", "publish", "MyPilotReportTask")) as { taskId: string };

  const { spans } = receiver;
  const run = await until(
    async () => spans.find(({ name, events }) => name === "process tasks.MyPilotTask.{vo}" && events.includes("done")),
    "the span of a pilot task",
  );
  const trace = await until(async () => wholeTrace(spans, run.traceId), "all spans of its trace");
  const [occurrence] = trace.filter(({ parentId }) => parentId === "");
  if (occurrence === undefined) return t.fail("the trace has no beginning");
  t.like(occurrence, { name: "publish tasks.MySubmitPilotsTask.{vo}", kind: 4, service: "scheduler" });
  const [parent] = below(trace, occurrence, "process tasks.MySubmitPilotsTask.{vo}");
  if (parent === undefined) return t.fail("the occurrence was not processed");
  t.like(parent, { kind: 5, service: "pilots" });
  const [child] = below(trace, parent, "spawn tasks.MyPilotTask.{vo}");
  if (child === undefined) return t.fail("the parent has spawned nothing");
  t.like(child.attributes, { "muster.parent": parent.attributes["messaging.message.id"] });
  t.is(run.parentId, child.spanId);
  t.like(run.attributes, {
    ...{ "messaging.system": "nats", "messaging.destination.name": "tasks.MyPilotTask.lhcb", "muster.vo": "lhcb" },
    ...{ "messaging.operation.type": "process", "muster.attempt": 1, "muster.outcome": "done" },
    "messaging.message.id": child.attributes["messaging.message.id"],
  });
  t.deepEqual(run.events, ["started", "done"]);
  t.is(run.status, 0);
  const [locks] = below(trace, run, "wait for locks");
  t.deepEqual(locks?.attributes["muster.lock.keys"], ["my_pilot.ce01"]);
  const [transaction] = below(trace, run, "transaction");
  if (transaction === undefined) return t.fail("the pilot task had no transaction");
  const statements = below(trace, transaction, /./);
  const summaries = statements.map(({ name }) => name);
  t.true(summaries.includes("insert pilot") && summaries.includes("insert task_outcome"), summaries.join());
  // Beginnings are told in whole milliseconds, and what is sent together begins and ends in the same one.
  const beginnings = statements.map(({ startedAtNs }) => startedAtNs).toSorted((a, b) => Number(a - b));
  const beginningOf = (summary: string) => statements.find(({ name }) => name === summary)?.startedAtNs;
  t.is(beginningOf("start"), beginnings[0], summaries.join());
  t.is(beginningOf("commit"), beginnings.at(-1), summaries.join());
  for (const { kind, attributes } of statements) {
    t.is(kind, 3);
    t.notRegex(String(attributes["db.query.text"]), /ce01|lhcb/);
  }
  const ofRun = [...below(trace, run, /./), ...statements];
  for (const span of ofRun) t.true(span.startedAtNs <= span.endedAtNs, span.name);

  const isByHand = ({ attributes }: ReceivedSpan) => attributes["messaging.message.id"] === published.taskId;
  const byHand = await until(async () => {
    const found = spans.filter(isByHand);
    return found.length === 2 ? found : undefined;
  }, "the spans of a task that was published by hand");
  t.is(new Set(byHand.map(({ traceId }) => traceId)).size, 1);
  t.deepEqual(byHand.map(({ service }) => service).sort(), ["muster", "pilots"]);

  await checkMetrics(t, [scheduler, worker]);
  scheduler.kill("SIGTERM");
  worker.kill("SIGTERM");
  await Promise.all([scheduler.exited, worker.exited]);
  t.deepEqual(
    spans.filter(({ parentId, name }) => parentId === "" && !name.startsWith("publish ")).map(({ name }) => name),
    [],
    "nothing but a publish begins a trace here",
  );
});

test("a task without a trace begins one where it runs, its retries go on with it, and its events name it", async (t) => {
  await using receiver = await startOtlpReceiver();
  await using nats = await startTestNats();
  const databaseUrl = await server.createEmptyUrl();
  const more = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_BSP_SCHEDULE_DELAY: "50" };
  const muster = commandsOn({ NATS_URL: nats.url, DATABASE_URL: databaseUrl });
  await muster.json("migrate");
  await muster.json("vo", "add", "lhcb");
  await muster.json("ce", "add", "ce01", "--capacity", "1", "--success-rate", "0");
  await using worker = await startApp("submit-worker", { natsUrl: nats.url, databaseUrl, more });
  const { taskId } = (await muster.json("task", "publish", "MyPilotTask", '{"ceName":"ce01"}', "--vo", "lhcb")) as {
    taskId: string;
  };
  const run = await until(
    async () => receiver.spans.find(({ attributes }) => attributes["messaging.message.id"] === taskId),
    "its span",
  );
  t.like(run, { parentId: "", status: 2, events: ["started", "dropped"] });
  t.like(run.attributes, { "muster.outcome": "dropped", "error.type": "PilotSubmissionError" });
  const { timeline } = (await muster.json("task", "show", taskId)) as { timeline: readonly { traceId?: string }[] };
  t.deepEqual(new Set(timeline.map(({ traceId }) => traceId)), new Set([run.traceId]));
  worker.kill("SIGTERM");
  await worker.exited;
});

test("an app whose traces cannot be sent does its work, and one whose settings of traces are wrong ends with 2", async (t) => {
  await using nats = await startTestNats();
  const databaseUrl = await server.createEmptyUrl();
  const muster = commandsOn({ NATS_URL: nats.url, DATABASE_URL: databaseUrl });
  await muster.json("migrate");
  const gone = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9", OTEL_BSP_SCHEDULE_DELAY: "10" };
  await using worker = await startApp("report-worker", { natsUrl: nats.url, databaseUrl, more: gone });
  const { taskId } = (await muster.json("task", "publish", "MyPilotReportTask")) as { taskId: string };
  await until(async () => {
    const rows = await muster.json("task", "show", taskId);
    return (rows as { state: string }).state === "done" ? true : undefined;
  }, "its end");
  worker.kill("SIGTERM");
  t.deepEqual(await worker.exited, { code: 0, signal: null });
  const wrong = { NATS_URL: nats.url, DATABASE_URL: databaseUrl, OTEL_TRACES_EXPORTER: "otlp" };
  await using refused = await startProcess(mainOf("report-worker"), { ...wrong, OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" });
  t.regex(await refused.line(/fatal/), /OTEL_EXPORTER_OTLP_PROTOCOL is .*grpc.*, allowed is http\/protobuf/);
  t.deepEqual(await refused.exited, { code: 2, signal: null });
});

/** Writes the URL of each module that a process loads of OpenTelemetry. */
const TELL = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({
    load(url, context, next) {
      if (url.includes("opentelemetry")) console.log("loads " + url);
      return next(url, context);
    },
  });
`)}`;

test("an app whose traces are off loads nothing of OpenTelemetry but its programming interface, which prom-client loads", async (t) => {
  await using nats = await startTestNats();
  const databaseUrl = await server.createEmptyUrl();
  const muster = commandsOn({ NATS_URL: nats.url, DATABASE_URL: databaseUrl });
  await muster.json("migrate");
  const off = { OTEL_SDK_DISABLED: "true", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
  const more = { ...off, NODE_OPTIONS: `--import=${TELL}` };
  await using worker = await startApp("report-worker", { natsUrl: nats.url, databaseUrl, more, form: "source" });
  await worker.line(/ready for tasks/);
  t.deepEqual(
    worker.lines.filter((line) => line.startsWith("loads ") && !line.includes("/@opentelemetry/api/")),
    [],
  );
  worker.kill("SIGTERM");
  await worker.exited;
});
