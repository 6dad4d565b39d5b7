import type { App } from "@muster/service";
import type { DatabaseTracing } from "@muster/ledger";
import type { Middleware, Step, Tracing } from "@muster/tasks";

/** The parts of an app that make spans. */
export interface AppTracing {
  /** Makes the span of each publish. The outermost of all middlewares. */
  readonly middleware: Middleware;
  /** Makes the spans of what a worker does. */
  readonly tracing: Tracing;
  /** Makes the spans of transactions and statements. */
  readonly database: DatabaseTracing;
  /** Adds a step to the span of its task. */
  noteStep(step: Step): void;
}

/** Loads what makes spans; undefined where traces are off. Then nothing of OpenTelemetry is loaded. */
export async function openTracing({ traces }: Pick<App, "traces">): Promise<AppTracing | undefined> {
  if (traces === undefined) return undefined;
  const { otelTracing } = await import("./otel_tracing.ts");
  return otelTracing();
}
