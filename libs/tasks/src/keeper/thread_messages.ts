import type { KeptLease } from "../locks/renewals.ts";

/** What the keeper's thread is started with. */
export interface ThreadSettings {
  readonly url: string;
  readonly credsFile: string | undefined;
  readonly name: string;
  readonly heartbeatMs: number;
  readonly windowMs: number;
  /** Of the {@linkcode Ownership}. */
  readonly ownership: SharedArrayBuffer;
}

/** A message that gets heartbeats: the subject for its acks, and until when, on the shared monotonic clock, ms. */
export interface HeldMessage {
  readonly id: number;
  readonly ack: string;
  readonly untilMs: number;
}

export type ToThread =
  | { readonly kind: "hold"; readonly messages: readonly HeldMessage[] }
  | { readonly kind: "letGo"; readonly ids: readonly number[] }
  | { readonly kind: "keep"; readonly id: number; readonly lease: KeptLease }
  | { readonly kind: "close" };

export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "lost"; readonly id: number; readonly reason: string }
  | { readonly kind: "note"; readonly message: string; readonly details: Readonly<Record<string, unknown>> };
