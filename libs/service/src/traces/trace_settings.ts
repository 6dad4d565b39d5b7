// Tested by libs/service/src/traces/trace_settings_test.ts
import { InvalidSettingsError } from "../settings/read_settings.ts";
import type { SettingProblem } from "../settings/setting_problem.ts";
import { redactSetting } from "../settings/redact.ts";

/** The samplers of OpenTelemetry, by the names that `OTEL_TRACES_SAMPLER` takes. */
export const SAMPLERS = [
  "always_on",
  "always_off",
  "traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
] as const;
/** The name of a sampler. */
export type SamplerName = (typeof SAMPLERS)[number];

/** How traces are made and sent. The exporter reads endpoint, headers, certificates and timeout from the environment by itself. */
export interface TraceSettings {
  /** Which traces are recorded; default `parentbased_always_on`. `OTEL_TRACES_SAMPLER` */
  readonly sampler: SamplerName;
  /** Part of the traces that a sampler by ratio records, 0 to 1; default 1. `OTEL_TRACES_SAMPLER_ARG` */
  readonly ratio: number;
  /** Time between two exports, ms; default 5,000. `OTEL_BSP_SCHEDULE_DELAY` */
  readonly delayMs: number;
  /** Most spans that wait for the export; further ones are dropped. Default 2,048. `OTEL_BSP_MAX_QUEUE_SIZE` */
  readonly maxQueued: number;
  /** Most spans of one export; default 512. `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` */
  readonly maxAtOnce: number;
}

/** The environment's variables. */
type Environment = Readonly<Record<string, string | undefined>>;

/** A variable that is empty counts as not set, as OpenTelemetry says. */
function textOf(environment: Environment, name: string): string | undefined {
  return environment[name]?.trim() || undefined;
}

/** Whether spans are to be made: an exporter or the address of a collector is named, and nothing turns them off. */
function isWanted(environment: Environment): boolean {
  if (textOf(environment, "OTEL_SDK_DISABLED")?.toLowerCase() === "true") return false;
  const exporter = textOf(environment, "OTEL_TRACES_EXPORTER");
  if (exporter !== undefined) return exporter !== "none";
  const endpoints = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
  return endpoints.some((name) => textOf(environment, name) !== undefined);
}

/** Reads single variables, and collects what is wrong with them. */
class Reader {
  readonly problems: SettingProblem[] = [];
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** The first of these variables that is set; default `fallback`. `check` returns undefined for a value that cannot be. */
  read<Value>(
    names: readonly string[],
    { fallback, allowed, check }: { fallback: Value; allowed: string; check(text: string): Value | undefined },
  ): Value {
    const setting = names.find((name) => textOf(this.#environment, name) !== undefined);
    if (setting === undefined) return fallback;
    const text = textOf(this.#environment, setting) ?? "";
    const value = check(text);
    if (value !== undefined) return value;
    this.problems.push({ setting, value: redactSetting(text), allowed });
    return fallback;
  }

  number(name: string, fallback: number, [from, to]: readonly [from: number, to: number]): number {
    const allowed = `a number from ${from} to ${to}`;
    const check = (text: string) => {
      const value = Number(text);
      return value >= from && value <= to ? value : undefined;
    };
    return this.read([name], { fallback, allowed, check });
  }
}

function httpUrl(text: string): string | undefined {
  return /^https?:$/.test(URL.parse(text)?.protocol ?? "") ? text : undefined;
}

/**
 * How to trace, by the standard variables of OpenTelemetry; undefined: not at all.
 *
 * Throws {@linkcode InvalidSettingsError}.
 */
export function readTraceSettings(environment: Environment = process.env): TraceSettings | undefined {
  if (!isWanted(environment)) return undefined;
  const reader = new Reader(environment);
  const only = (word: string) => ({
    fallback: word,
    allowed: word,
    check: (text: string) => (text === word ? text : undefined),
  });
  const url = { fallback: "", allowed: "a URL that begins with http:// or https://", check: httpUrl };
  reader.read(["OTEL_TRACES_EXPORTER"], only("otlp"));
  reader.read(["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"], only("http/protobuf"));
  reader.read(["OTEL_EXPORTER_OTLP_ENDPOINT"], url);
  reader.read(["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], url);
  const settings: TraceSettings = {
    sampler: reader.read<SamplerName>(["OTEL_TRACES_SAMPLER"], {
      fallback: "parentbased_always_on",
      allowed: SAMPLERS.join(", "),
      check: (text) => SAMPLERS.find((name) => name === text),
    }),
    ratio: reader.number("OTEL_TRACES_SAMPLER_ARG", 1, [0, 1]),
    delayMs: reader.number("OTEL_BSP_SCHEDULE_DELAY", 5_000, [1, 600_000]),
    maxQueued: reader.number("OTEL_BSP_MAX_QUEUE_SIZE", 2_048, [1, 1_000_000]),
    maxAtOnce: reader.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, [1, 1_000_000]),
  };
  if (reader.problems.length > 0) throw new InvalidSettingsError(reader.problems);
  return settings;
}
