import type { Room } from "./grants.ts";
import type { Limit, Want } from "./plan.ts";
import type { Mode } from "./tally.ts";

/** A want of one key, with the memory of the lease that it may become. */
export interface AskedWant extends Want {
  readonly key: string;
  /** The memory of its {@linkcode LeaseState}. */
  readonly shared: SharedArrayBuffer;
}

/** What a worker's thread tells the thread that keeps its tallies. */
export type ToBooks =
  | { readonly kind: "ask"; readonly want: AskedWant }
  /** The lease is released. Of a rate: its task has begun, or will not begin and gives its quota back. */
  | { readonly kind: "drop"; readonly key: string; readonly id: number; readonly hasBegun: boolean }
  /** A task of a rate begins so much later than it was counted for, ms. */
  | { readonly kind: "late"; readonly key: string; readonly id: number; readonly byMs: number }
  /** Whether tasks of this process sleep in line for the key. */
  | {
      readonly kind: "line";
      readonly key: string;
      readonly mode: Mode;
      readonly sleeps: boolean;
      readonly worker: string;
      readonly ttlMs: number;
    }
  /** The room is asked for. `revision`: a write of another process that was heard of. `limit`: the limit in force, where it has changed. */
  | { readonly kind: "look"; readonly key: string; readonly revision?: number; readonly limit?: Limit };

/** What the thread that keeps tallies tells. */
export type FromBooks =
  | {
      readonly kind: "granted";
      readonly id: number;
      readonly fencingToken: number;
      /** What the fence knows the hold by: the lease's holder, or the name of the readers' epoch. */
      readonly fencedBy: string;
      /** Of a rate: when its task must have begun, by the shared monotonic clock, ms. */
      readonly beginByMs: number | undefined;
    }
  | { readonly kind: "held"; readonly id: number }
  | { readonly kind: "dropped"; readonly id: number }
  /** The broker did not answer whether the lease was taken. If it was, it lapses. */
  | { readonly kind: "unknown"; readonly id: number; readonly reason: string }
  | { readonly kind: "lost"; readonly id: number; readonly reason: string }
  | { readonly kind: "room"; readonly key: string; readonly room: Room }
  /** The broker does not answer, or the bucket is gone. */
  | { readonly kind: "silent"; readonly reason: string }
  /** Somebody stored by hand what is no tally. */
  | { readonly kind: "foreign"; readonly key: string }
  /** The thread has ended. Nothing is renewed any more. */
  | { readonly kind: "crashed"; readonly reason: string };

/** The way between the two threads. Messages arrive in order. */
export interface BooksPort {
  post(message: ToBooks): void;
  /** Sets who hears. There is one listener. */
  listen(listener: (message: FromBooks) => void): void;
}
