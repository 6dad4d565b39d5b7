import test from "ava";
import { readTraceSettings } from "./trace_settings.ts";

test("traces are on where an exporter or a collector is named, and off where nothing is or something turns them off", (t) => {
  const collector = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318" };
  t.is(readTraceSettings({}), undefined);
  t.is(readTraceSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: " " }), undefined);
  t.is(readTraceSettings({ ...collector, OTEL_TRACES_EXPORTER: "none" }), undefined);
  t.is(readTraceSettings({ ...collector, OTEL_SDK_DISABLED: "TRUE" }), undefined);
  t.is(readTraceSettings({ OTEL_METRICS_EXPORTER: "otlp" }), undefined);
  for (const on of [
    collector,
    { OTEL_TRACES_EXPORTER: "otlp" },
    { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://c/t" },
  ]) {
    t.deepEqual(readTraceSettings(on), {
      ...{ sampler: "parentbased_always_on", ratio: 1, delayMs: 5_000, maxQueued: 2_048, maxAtOnce: 512 },
    });
  }
  t.like(readTraceSettings({ ...collector, OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "0.1" }), {
    sampler: "traceidratio",
    ratio: 0.1,
  });
});

test("each variable of traces that cannot be used is named, and its secrets are not", (t) => {
  const error = t.throws(() =>
    readTraceSettings({
      OTEL_TRACES_EXPORTER: "zipkin",
      OTEL_EXPORTER_OTLP_ENDPOINT: "ftp://me:secret@collector",
      OTEL_TRACES_SAMPLER: "often",
      OTEL_BSP_SCHEDULE_DELAY: "soon",
    }),
  );
  for (const part of [
    'OTEL_TRACES_EXPORTER is "zipkin", allowed is otlp',
    'OTEL_EXPORTER_OTLP_ENDPOINT is "ftp://me:***@collector", allowed is a URL',
    'OTEL_TRACES_SAMPLER is "often", allowed is always_on, ',
    'OTEL_BSP_SCHEDULE_DELAY is "soon", allowed is a number from 1 to 600000',
  ]) {
    t.true(error.message.includes(part), error.message);
  }
  t.false(error.message.includes("secret"));
});
