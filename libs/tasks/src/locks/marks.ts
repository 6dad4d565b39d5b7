import { sharedNowMs } from "./clocks.ts";
import { markTtlMs } from "./lock_bucket.ts";

/** A mark is counted upon so much shorter than the server keeps it, ms; a wrong guess costs one more round trip. */
const MARGIN_MS = 100;

/**
 * The marks that recent releases left behind. Whoever takes a lock must name its mark's revision, and knowing it saves two
 * round trips just where a lock is in demand. Holds what was released within the locks' TTL.
 */
export class Marks {
  readonly #marks = new Map<string, { readonly revision: number; readonly untilMs: number }>();
  readonly #trustedMs: number;

  /** `ttlMs` is the TTL of all locks. */
  constructor(ttlMs: number) {
    this.#trustedMs = markTtlMs(ttlMs) - MARGIN_MS;
  }

  /** Old news of a key are ignored. */
  note(key: string, revision: number): void {
    if ((this.#marks.get(key)?.revision ?? 0) > revision) return;
    const nowMs = sharedNowMs();
    for (const [old, { untilMs }] of this.#marks) {
      if (untilMs > nowMs) break;
      this.#marks.delete(old);
    }
    this.#marks.delete(key); // A key that is set again would keep its old place, and the oldest must come first.
    this.#marks.set(key, { revision, untilMs: nowMs + this.#trustedMs });
  }

  /** The revision of the key's mark, or 0 where none is known. */
  of(key: string): number {
    const mark = this.#marks.get(key);
    return mark !== undefined && mark.untilMs > sharedNowMs() ? mark.revision : 0;
  }

  forget(key: string): void {
    this.#marks.delete(key);
  }
}
