import {
  atLeastOnceFactory,
  connectNats,
  defineLockType,
  exponentialBackoff,
  openBroker,
  silentObserver,
  type SpanStart,
  startWorker,
  type TaskOver,
  type Tracing,
} from "@muster/tasks";
import test from "ava";
import { startMuster } from "../support/muster.ts";

const muster = await startMuster({ vos: ["lhcb"] });
test.after.always(() => muster[Symbol.asyncDispose]());

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("traced_site");
const vo = "lhcb";

interface PlayedSpan {
  readonly start: SpanStart;
  readonly traceparent: string;
  ends: number;
}

/** Makes spans that only remember. */
function playTracing() {
  const spans: PlayedSpan[] = [];
  const tracing: Tracing = {
    begin(start) {
      const trace = start.headers?.["traceparent"]?.split("-")[1] ?? "f".repeat(32);
      const traceparent = `00-${trace}-${String(spans.length).padStart(16, "0")}-01`;
      const span = { start, traceparent, ends: 0 };
      spans.push(span);
      return { headers: { traceparent }, within: (work) => work(), end: () => void span.ends++ };
    },
  };
  const of = (kind: SpanStart["kind"]) => spans.filter(({ start }) => start.kind === kind);
  return { spans, tracing, of };
}

async function startTraced(tracing: Tracing, tasks: readonly TaskOver<never>[]) {
  const nats = { url: muster.nats.url };
  const nc = await connectNats({ ...nats, name: "traced" });
  const broker = await openBroker(nc, { observer: { ...silentObserver, tracing } });
  const worker = await startWorker({ broker, nats, app: "traced", tasks, drainMs: 0 });
  return {
    async [Symbol.asyncDispose]() {
      await worker[Symbol.asyncDispose]();
      await nc.close();
    },
  };
}

test("a retry's span stands below that of the attempt before it, and each span ends once", async (t) => {
  const AgainTask = defineTask({
    name: "TracedAgainTask",
    per: "vo",
    retry: exponentialBackoff({ firstDelayMs: 1, maxDelayMs: 1 }),
    locks: () => [siteLock.mutex("again")],
    execute({ attempt }) {
      if (attempt === 1) throw new Error("once more");
    },
  });
  const { spans, tracing, of } = playTracing();
  const first = { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` };
  {
    await using _worker = await startTraced(tracing, [AgainTask]);
    const { taskId } = await muster.publish(AgainTask, { vo, headers: first });
    await muster.event("done", taskId);
  }
  const [one, two] = of("process");
  t.like(one?.start, { task: "TracedAgainTask", vo, attempt: 1, headers: first });
  t.like(two?.start, { attempt: 2, headers: { traceparent: one?.traceparent ?? "" } });
  t.deepEqual(
    of("locks").map(({ start }) => start.keys),
    [["traced_site.again"], ["traced_site.again"]],
  );
  t.deepEqual(
    spans.map(({ ends }) => ends),
    spans.map(() => 1),
  );
});

test("the span of a task that waits for a lock goes on from try to try, and ends where the worker drains", async (t) => {
  const HeldTask = defineTask({
    name: "TracedHeldTask",
    per: "vo",
    locks: () => [siteLock.mutex("held")],
    execute() {},
  });
  const { tracing, of } = playTracing();
  const holder = await muster.hold("traced_site.held");
  const { taskId } = await muster.publish(HeldTask, { vo });
  {
    await using _worker = await startTraced(tracing, [HeldTask]);
    await muster.event("contended", taskId);
    t.deepEqual(
      of("process").map(({ ends }) => ends),
      [0],
    );
  }
  t.deepEqual(
    of("process").map(({ ends }) => ends),
    [1],
  );
  t.deepEqual(of("locks"), []);
  {
    await using _worker = await startTraced(tracing, [HeldTask]);
    await muster.event("contended", taskId, 2);
    await holder.letGo();
    await muster.event("done", taskId);
  }
  t.deepEqual(
    of("process").map(({ ends }) => ends),
    [1, 1],
  );
  const [waited] = of("locks");
  t.true((waited?.start.beganAtMs ?? Number.POSITIVE_INFINITY) < performance.now());
});
