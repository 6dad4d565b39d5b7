// Tested by tests/src/apps/traces_test.ts
import {
  type Attributes,
  context,
  type Context,
  createContextKey,
  type Span as OtelSpan,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { Middleware, Span, SpanStart, Step, TaskMessage, Tracing } from "@muster/tasks";
import { databaseTracing } from "./database_spans.ts";
import type { AppTracing } from "./open_tracing.ts";
import { fail } from "./span_failure.ts";

/*
 * Names and attributes follow OpenTelemetry's semantic conventions for messaging. A task's subject is the destination.
 */

/** Key of the id of the task whose span a context is in. By it a step is added to no other task's span. */
const TASK_ID = createContextKey("muster task id");

/** Steps with which a task has failed, now or for good. */
const FAILED: ReadonlySet<string> = new Set(["retry", "dead", "dropped", "refused", "abandoned"]);
/** Steps that say nothing of how a run ended. */
const PASSING: ReadonlySet<string> = new Set(["started", "contended"]);

interface Destination {
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
}

function destination({ task, vo, taskId }: Destination): Attributes {
  return {
    "messaging.system": "nats",
    "messaging.destination.name": `tasks.${task}.${vo}`,
    "messaging.destination.template": `tasks.${task}.{vo}`,
    "messaging.message.id": taskId,
    "muster.task": task,
    "muster.vo": vo,
  };
}

function operation(name: string, type: "send" | "create" | "process"): Attributes {
  return { "messaging.operation.name": name, "messaging.operation.type": type };
}

function headersOf(at: Context): Record<string, string> {
  const headers: Record<string, string> = {};
  propagation.inject(at, headers);
  return headers;
}

function tracer() {
  return trace.getTracer("muster");
}

/** The spans of publishing. One of a child is below its parent's run; one of any other task below the span of its publisher. */
const publishing: Middleware = {
  name: "muster traces",
  async publish(message: TaskMessage, next) {
    const isChild = message.parentId !== undefined;
    const parent =
      trace.getActiveSpan() === undefined ? propagation.extract(ROOT_CONTEXT, message.headers) : context.active();
    const name = isChild ? "spawn" : "publish";
    const attributes: Attributes = { ...destination(message), ...operation(name, isChild ? "create" : "send") };
    if (message.parentId !== undefined) attributes["muster.parent"] = message.parentId;
    const span = tracer().startSpan(
      `${name} tasks.${message.task}.{vo}`,
      { kind: SpanKind.PRODUCER, attributes },
      parent,
    );
    Object.assign(message.headers, headersOf(trace.setSpan(parent, span)));
    try {
      await next();
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  },
};

function startSpan({ kind, task, vo, taskId, attempt, keys, beganAtMs }: SpanStart, parent: Context): OtelSpan {
  const startTime = beganAtMs === undefined ? undefined : performance.timeOrigin + beganAtMs;
  const about: Attributes = { "muster.attempt": attempt };
  if (kind === "locks") {
    Object.assign(about, { "muster.task": task, "muster.vo": vo, "muster.lock.keys": [...(keys ?? [])] });
    return tracer().startSpan("wait for locks", { attributes: about, ...(startTime && { startTime }) }, parent);
  }
  const attributes = { ...destination({ task, vo, taskId }), ...operation("process", "process"), ...about };
  return tracer().startSpan(`process tasks.${task}.{vo}`, { kind: SpanKind.CONSUMER, attributes }, parent);
}

const working: Tracing = {
  begin(start: SpanStart): Span {
    const parent = start.headers === undefined ? context.active() : propagation.extract(ROOT_CONTEXT, start.headers);
    const span = startSpan(start, parent);
    const inside = trace.setSpan(parent, span).setValue(TASK_ID, start.taskId);
    let hasEnded = false;
    return {
      get headers() {
        return headersOf(inside);
      },
      within: (work) => context.with(inside, work),
      end(error) {
        if (hasEnded) return;
        hasEnded = true;
        if (error !== undefined) fail(span, error);
        span.end();
      },
    };
  },
};

/** Adds a step to the span of its task, if that is the present one. The last one says how the run ended. */
function noteStep({ step, taskId, reason }: Step): void {
  const present = context.active();
  if (present.getValue(TASK_ID) !== taskId) return;
  const span = trace.getSpan(present);
  if (span?.isRecording() !== true) return;
  span.addEvent(step, reason === undefined ? {} : { reason });
  if (PASSING.has(step)) return;
  span.setAttribute("muster.outcome", step);
  if (!FAILED.has(step)) return;
  span.setStatus({ code: SpanStatusCode.ERROR, message: reason ?? step });
  span.setAttribute("error.type", /^(\w+):/.exec(reason ?? "")?.[1] ?? step);
}

/** What makes spans by the tracer of this process, which `startTraces` has set up. */
export function otelTracing(): AppTracing {
  return { middleware: publishing, tracing: working, database: databaseTracing, noteStep };
}
