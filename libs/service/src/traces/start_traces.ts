// Tested by tests/src/apps/traces_test.ts
import { readTraceSettings } from "./trace_settings.ts";

/** The traces of a process. Disposing of it sends what is left, for two seconds at most. */
export interface Traces extends AsyncDisposable {
  /** Name of the service in the spans. */
  readonly service: string;
}

/** Whose traces they are. */
export interface TracesOptions {
  /** Name of the app: the service's name where no variable gives one. */
  readonly app: string;
  /** Called where spans cannot be sent, each time. */
  warn(message: string, fields: object): void;
}

/**
 * Sets up OpenTelemetry for this process where its standard variables ask for traces. Returns undefined where they do not: then nothing of
 * OpenTelemetry is loaded.
 *
 * Throws `InvalidSettingsError`.
 */
export async function startTraces(options: TracesOptions): Promise<Traces | undefined> {
  const settings = readTraceSettings();
  if (settings === undefined) return undefined;
  const { openTraces } = await import("./open_traces.ts");
  return openTraces(options, settings);
}
