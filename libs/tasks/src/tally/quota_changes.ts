import type { Rate } from "../definition/limit_text.ts";
import type { Wanted } from "./plan.ts";
import { stampAt } from "./rate_window.ts";

type Changes = Pick<Wanted, "refunds" | "moves">;

/** What one process has yet to change in the window of a rate: quota that comes back, and tasks that began later than they were counted for. */
export class QuotaChanges {
  #refunds: readonly number[] = [];
  #moves: Changes["moves"] = [];

  get isEmpty(): boolean {
    return this.#refunds.length + this.#moves.length === 0;
  }

  giveBack(stampMs: number): void {
    this.#refunds = [...this.#refunds, stampMs];
  }

  /** Counts a task so much later. Returns the new time, ms. */
  delay(fromMs: number, byMs: number, rate: Rate): number {
    const toMs = stampAt(rate, fromMs + byMs);
    this.#moves = [...this.#moves, { fromMs, toMs }];
    return toMs;
  }

  wanted(): Changes {
    return { refunds: this.#refunds, moves: this.#moves };
  }

  /** The write with these was stored. Others may have come since. */
  settled({ refunds, moves }: Changes): void {
    this.#refunds = this.#refunds.slice(refunds.length);
    this.#moves = this.#moves.slice(moves.length);
  }

  /** Nobody knows whether the write with these was stored, since others may have written over it. Nothing is given back twice. */
  doubted(changes: Changes): void {
    this.settled(changes);
    this.#moves = [...changes.moves.map(({ toMs }) => ({ fromMs: undefined, toMs })), ...this.#moves];
  }

  clear(): void {
    this.#refunds = [];
    this.#moves = [];
  }
}
