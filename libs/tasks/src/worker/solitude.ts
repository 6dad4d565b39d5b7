// Tested by tests/src/worker/suspects_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { RunningAttempt } from "../run/attempt.ts";
import type { InHand } from "./hand.ts";

/** Time in which it shows whether there is other work, or a task that is more suspected, ms. */
const SHOWS_MS = 100;
/** Delays of a suspect that cannot run now, ms: another worker may take it. */
const REFUSED_MS = 250;
const REFUSED_MAX_MS = 1_000;

/** A suspect that had to wait until it had the process to itself, or has it now. */
interface Suspect {
  readonly task: InHand;
  readonly aloneMs: number;
  readonly claimedAtMs: number;
}

type State =
  /** All may begin. */
  | { readonly kind: "open" }
  /** Nothing begins, until what runs has run for so long that the suspect may. */
  | { readonly kind: "waiting"; readonly suspect: Suspect }
  /** The suspect has begun, and nothing else begins. */
  | { readonly kind: "alone"; readonly suspect: Suspect };

export interface SolitudeOptions {
  /** Attempts that run in this process. */
  running(): Iterable<RunningAttempt>;
  /** Tasks that have a permit: those that run, and those that are being prepared or settled. */
  busy(): number;
  permits(): number;
  /** Whether something that may begin waits in hand. */
  hasOthers(): boolean;
  /** Nothing begins from now on: whatever has not begun is for others. */
  onClosed(suspect: InHand, aloneMs: number): void;
  /** The suspect may begin. */
  begin(task: InHand, aloneMs: number): void;
  /** All may begin again. */
  onOpened(): void;
}

/**
 * Gives one suspect at a time the process to itself, so that a death of the process tells who was its cause (PROTOCOL 2.5).
 *
 * open -> waiting: a suspect claims it. waiting -> alone: all that runs began longer than the suspect's `aloneMs` ago; of `Infinity`:
 * nothing runs. alone -> open: the suspect has run for `aloneMs`, or has ended. After that other work goes first for as long as the
 * claim took, if there is any: so suspects have half of a worker's time at most, and wait for no more than the other half.
 */
export class Solitude {
  readonly #options: SolitudeOptions;
  #state: State = { kind: "open" };
  #timer: NodeJS.Timeout | undefined;
  #openedAtMs = Number.NEGATIVE_INFINITY;
  /** Other work goes first until then. */
  #restsUntilMs = Number.NEGATIVE_INFINITY;
  /** The times that those need who have been seen as suspects and have not claimed the process yet, ms. */
  readonly #coming: number[] = [];
  /** Whether anything has begun since the last suspect. */
  #hasOthersBegun = false;

  constructor(options: SolitudeOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#state.kind === "open";
  }

  /** Resolves once it has shown whether there is other work. Wait for it before a claim: others may be on their way. */
  async shown(aloneMs: number): Promise<void> {
    this.#coming.push(aloneMs);
    await pause(Math.max(SHOWS_MS, this.#openedAtMs + SHOWS_MS - performance.now()));
    this.#coming.splice(this.#coming.indexOf(aloneMs), 1);
  }

  /**
   * Claims the process for a suspect, which begins once the process is quiet. Where it is not its time, it may be asked again in
   * `againMs`. Of several that come together the most suspected is first: if it kills, nothing has begun beside it.
   */
  claim(task: InHand, aloneMs: number): "claimed" | { readonly againMs: number } {
    if (!this.isOpen || this.#coming.some((other) => other > aloneMs)) return { againMs: REFUSED_MS };
    const claimedAtMs = performance.now();
    const restMs = this.#restsUntilMs - claimedAtMs;
    const hasOthers = this.#hasOthersBegun || this.#options.hasOthers();
    if (restMs > 0 && hasOthers) return { againMs: Math.min(Math.max(restMs, REFUSED_MS), REFUSED_MAX_MS) };
    this.#state = { kind: "waiting", suspect: { task, aloneMs, claimedAtMs } };
    this.#options.onClosed(task, aloneMs);
    this.look();
    return "claimed";
  }

  /** Gives up a claim whose suspect has not begun, and returns it. */
  withdraw(): InHand | undefined {
    if (this.#state.kind !== "waiting") return undefined;
    const { task } = this.#state.suspect;
    clearTimeout(this.#timer);
    this.#state = { kind: "open" };
    return task;
  }

  /** Tasks may have begun or ended. */
  look(): void {
    if (this.#state.kind !== "waiting") return;
    clearTimeout(this.#timer);
    const { suspect } = this.#state;
    const waitMs = this.#untilQuietMs(suspect);
    if (waitMs <= 0) {
      this.#state = { kind: "alone", suspect };
      this.#options.begin(suspect.task, suspect.aloneMs);
    } else if (Number.isFinite(waitMs)) {
      this.#timer = setTimeout(() => this.look(), Math.ceil(waitMs));
    }
  }

  /** An attempt has begun: the suspect's own, if there is one. */
  noteBegun(): void {
    if (this.#state.kind !== "alone") {
      this.#hasOthersBegun = true;
      this.look();
      return;
    }
    const { aloneMs } = this.#state.suspect;
    if (Number.isFinite(aloneMs)) this.#timer = setTimeout(() => this.#open(), aloneMs);
  }

  /** The task has ended, or waits for a lock. */
  noteEnded(task: InHand): void {
    if (this.#state.kind === "alone" && this.#state.suspect.task === task) this.#open();
    else this.look();
  }

  /** Ends all timers. */
  close(): void {
    clearTimeout(this.#timer);
  }

  /** How long it is until nothing that runs began within the suspect's time, ms; Infinity: whoever begins or ends says more. */
  #untilQuietMs({ aloneMs }: Suspect): number {
    const { running, busy, permits } = this.#options;
    const busyNow = busy();
    if (busyNow === 0) return 0;
    if (busyNow >= permits() || !Number.isFinite(aloneMs)) return Number.POSITIVE_INFINITY;
    let youngestAtMs = Number.NEGATIVE_INFINITY;
    let count = 0;
    for (const { startedAtMs } of running()) {
      youngestAtMs = Math.max(youngestAtMs, startedAtMs);
      count++;
    }
    return count < busyNow ? Number.POSITIVE_INFINITY : youngestAtMs + aloneMs - performance.now();
  }

  #open(): void {
    if (this.#state.kind !== "alone") return;
    const nowMs = performance.now();
    clearTimeout(this.#timer);
    this.#openedAtMs = nowMs;
    this.#restsUntilMs = nowMs + (nowMs - this.#state.suspect.claimedAtMs);
    this.#hasOthersBegun = false;
    this.#state = { kind: "open" };
    this.#options.onOpened();
  }
}
