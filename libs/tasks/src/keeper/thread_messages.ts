import type { NatsAccess } from "../access/nats_access.ts";
import type { FromBooks, ToBooks } from "../tally/book_messages.ts";
import type { KeptLease } from "../lease/renewals.ts";
import type { SharedBoard } from "./board.ts";

/** The values with which the keeper's thread is started. */
export interface ThreadSettings {
  readonly access: NatsAccess;
  readonly name: string;
  readonly heartbeatMs: number;
  readonly windowMs: number;
  /** The memory of the {@linkcode Ownership}. */
  readonly ownership: SharedArrayBuffer;
}

export type ToThread =
  /** One more board of messages in hand. */
  | { readonly kind: "board"; readonly board: SharedBoard }
  | { readonly kind: "keep"; readonly id: number; readonly lease: KeptLease }
  /** For the tallies of read-write locks and limiters. */
  | { readonly kind: "books"; readonly message: ToBooks }
  | { readonly kind: "close" };

export type FromThread =
  | { readonly kind: "ready" }
  | { readonly kind: "lost"; readonly id: number; readonly reason: string }
  | { readonly kind: "books"; readonly message: FromBooks }
  | { readonly kind: "alarm"; readonly message: string; readonly details: Readonly<Record<string, unknown>> }
  | { readonly kind: "note"; readonly message: string; readonly details: Readonly<Record<string, unknown>> };
