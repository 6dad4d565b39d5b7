import { sharedNowMs } from "./clocks.ts";
import { markTtlMs } from "./lock_bucket.ts";

/** Time by which a mark is trusted shorter than the server keeps it, ms. A wrong guess costs one more round trip. */
const MARGIN_MS = 100;

/**
 * The marks that recent releases left behind, within the locks' TTL. A task that takes a lock must name the revision of its mark. Where
 * a lock is in demand, knowing that revision saves two round trips.
 */
export class Marks {
  readonly #marks = new Map<string, { readonly revision: number; readonly untilMs: number }>();
  readonly #trustedMs: number;

  /** `ttlMs` is the TTL of all locks. */
  constructor(ttlMs: number) {
    this.#trustedMs = markTtlMs(ttlMs) - MARGIN_MS;
  }

  /** Notes the mark of a key. An older one than the known mark is ignored. */
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
