import type { MessagePort } from "node:worker_threads";
import type { HealthState, SilenceLimits } from "./verdict.ts";

/** What the health thread gets at its start. */
export interface ThreadStart {
  readonly host: string;
  readonly port: number;
  /** One Int32. The main thread raises it at each beat, and the health thread reads it. */
  readonly beats: SharedArrayBuffer;
  readonly limits: SilenceLimits;
  readonly state: HealthState;
}

/** Asks for `serve(port, data)` of a module, whose end is told with the number of the part. */
export interface RunPart {
  readonly kind: "run";
  readonly part: number;
  readonly module: string;
  readonly port: MessagePort;
  readonly data: object;
}

/** From the main thread to the health thread. */
export type ToThread =
  | { readonly kind: "state"; readonly state: HealthState }
  | { readonly kind: "metrics"; readonly text: string }
  | { readonly kind: "metricsFailed"; readonly reason: string }
  | RunPart;

/** From the health thread to the main thread. */
export type FromThread =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "refused"; readonly code: string; readonly text: string }
  | { readonly kind: "scrape" }
  /** A part has ended: by an error, or by itself. */
  | { readonly kind: "partEnded"; readonly part: number; readonly error: Error | undefined };
