// Tested by tests/src/apps/traces_test.ts
import { context, diag, DiagLogLevel, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { setTimeout as pause } from "node:timers/promises";
import { readVersion } from "../metrics/build_info.ts";
import type { Traces, TracesOptions } from "./start_traces.ts";
import type { SamplerName, TraceSettings } from "./trace_settings.ts";

/** Longest time that a process which ends waits for its last spans to be sent, ms. */
const LAST_EXPORT_MS = 2_000;

function samplerOf(name: SamplerName, ratio: number): Sampler {
  switch (name) {
    case "always_on":
      return new AlwaysOnSampler();
    case "always_off":
      return new AlwaysOffSampler();
    case "traceidratio":
      return new TraceIdRatioBasedSampler(ratio);
    case "parentbased_always_on":
      return new ParentBasedSampler({ root: new AlwaysOnSampler() });
    case "parentbased_always_off":
      return new ParentBasedSampler({ root: new AlwaysOffSampler() });
    case "parentbased_traceidratio":
      return new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
  }
}

/** Tells what OpenTelemetry itself has to complain of. */
function tellTrouble({ warn: tell }: TracesOptions): void {
  const warn = (message: string, ...details: unknown[]) =>
    tell("OpenTelemetry cannot send traces as it should", { reason: [message, ...details].join(" ") });
  const silent = () => {};
  diag.setLogger({ error: warn, warn, info: silent, debug: silent, verbose: silent }, DiagLogLevel.WARN);
}

/** Sets up tracer, context and propagation for this process, also for the code of tasks. Call it once. */
export function openTraces(options: TracesOptions, settings: TraceSettings): Traces {
  const { app, warn } = options;
  const { sampler, ratio, delayMs, maxQueued, maxAtOnce } = settings;
  tellTrouble(options);
  const named = resourceFromAttributes({ "service.name": app, "service.version": readVersion() });
  const resource = defaultResource()
    .merge(named)
    .merge(detectResources({ detectors: [envDetector] }));
  const processor = new BatchSpanProcessor({
    exporter: new OTLPTraceExporter(),
    scheduledDelayMillis: delayMs,
    maxQueueSize: maxQueued,
    maxExportBatchSize: Math.min(maxAtOnce, maxQueued),
  });
  const provider = new TracerProvider({ resource, sampler: samplerOf(sampler, ratio), spanProcessors: [processor] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  return {
    service: String(resource.attributes["service.name"] ?? app),
    async [Symbol.asyncDispose]() {
      const sent = provider.shutdown().catch((err: unknown) => warn("Cannot send the last traces", { err }));
      await Promise.race([sent, pause(LAST_EXPORT_MS, undefined, { ref: false })]);
      // So that a test may set them up again in the same process.
      for (const part of [trace, context, propagation, diag]) part.disable();
    },
  };
}
