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

/** From the main thread to the health thread. */
export type ToThread =
  | { readonly kind: "state"; readonly state: HealthState }
  | { readonly kind: "metrics"; readonly text: string }
  | { readonly kind: "metricsFailed"; readonly reason: string };

/** From the health thread to the main thread. */
export type FromThread =
  | { readonly kind: "listening"; readonly port: number }
  | { readonly kind: "refused"; readonly code: string; readonly text: string }
  | { readonly kind: "scrape" };
