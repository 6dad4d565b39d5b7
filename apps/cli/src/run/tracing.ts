// Tested by tests/src/apps/traces_test.ts
import type { AppTracing } from "@muster/app";
import { startTraces, type Traces } from "@muster/service";
import type { Observer } from "@muster/tasks";
import { complain } from "./failure.ts";

interface Opened {
  readonly traces: Traces;
  readonly tracing: AppTracing | undefined;
}

/** The traces of this process. `ownTracing` opens them once, and `sendTraces` closes them. */
let opened: Promise<Opened | undefined> | undefined;

async function open(): Promise<Opened | undefined> {
  const traces = await startTraces({
    app: "muster",
    warn: (message, fields) => complain(`${message}: ${JSON.stringify(fields)}`),
  });
  if (traces === undefined) return undefined;
  // Loaded late: most commands make no traces.
  const { openTracing } = await import("@muster/app");
  return { traces, tracing: await openTracing({ traces }) };
}

/** What makes spans in this command; undefined where traces are off. Throws `InvalidSettingsError`. */
export async function ownTracing(): Promise<AppTracing | undefined> {
  opened ??= open();
  return (await opened)?.tracing;
}

/** The observer, which also makes spans where traces are on. */
export async function withSpans(observer: Observer): Promise<Observer> {
  const tracing = await ownTracing();
  if (tracing === undefined) return observer;
  const { traced } = await import("@muster/app");
  return traced(observer, tracing);
}

/** Sends the spans of this command, if it has made some. */
export async function sendTraces(): Promise<void> {
  const last = opened;
  opened = undefined;
  await (await last?.catch(() => undefined))?.traces[Symbol.asyncDispose]();
}
