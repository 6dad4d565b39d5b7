// Tested by tests/src/worker/suspects_test.ts
import { setTimeout as pause } from "node:timers/promises";
import type { RunningAttempt } from "../run/attempt.ts";
import type { InHand } from "./hand.ts";

/** Time after which other work, or a task that is more suspected, would have come, ms. */
const SHOWS_MS = 100;
/** Shortest delay of a suspect that cannot run now, ms. Another worker may take it. */
const REFUSED_MS = 250;
/** Longest such delay, ms. */
const REFUSED_MAX_MS = 1_000;

/** A suspect that waits for the process or has it to itself. */
interface Suspect {
  readonly task: InHand;
  /** The part of the worker that has it in hand. */
  readonly owner: SolitudeMember;
  readonly aloneMs: number;
  readonly askedAtMs: number;
}

type State =
  /** Any task may begin. */
  | { readonly kind: "open" }
  /** Nothing begins. The suspect waits until all running tasks have run long enough, or have ended. */
  | { readonly kind: "waiting"; readonly suspect: Suspect }
  /** The suspect has begun, and nothing else begins. */
  | { readonly kind: "alone"; readonly suspect: Suspect };

/** A part of a worker that runs tasks: those in its own thread, or those in other threads. All parts are in one process. */
export interface SolitudeMember {
  /** Attempts that run in it. */
  running(): Iterable<RunningAttempt>;
  /** Permits of tasks that are being prepared, run or settled. */
  permitsTaken(): number;
  /** Permits that are not lost. */
  permitsUsable(): number;
  /** Whether another task waits in hand to begin. */
  hasOthers(): boolean;
  /** A suspect of this part has been given the process. */
  onAccepted(suspect: InHand, aloneMs: number): void;
  /** Nothing else begins from now on. Tasks that have not begun go to other workers. */
  onClosed(): void;
  /** Begins the suspect. */
  begin(task: InHand, aloneMs: number): void;
  /** Any task may begin again. */
  onOpened(): void;
}

/**
 * Gives one suspect at a time the process to itself, so that a death of the process shows which task caused it (PROTOCOL 2.5).
 *
 * Transitions:
 *   open -> waiting   a suspect asks for the process (`ask`)
 *   waiting -> alone  all running tasks began longer ago than the suspect's `aloneMs`; where that is `Infinity`, nothing runs (`look`)
 *   waiting -> open   the suspect is given up before it has begun (`withdraw`)
 *   alone -> open     the suspect has run for `aloneMs`, or has ended
 *
 * Afterwards other work, if there is any, is first for as long as the suspect had the process closed. So suspects have at most half of
 * a worker's time, and wait for at most the other half.
 */
export class Solitude {
  readonly #members: SolitudeMember[] = [];
  #state: State = { kind: "open" };
  #timer: NodeJS.Timeout | undefined;
  #openedAtMs = Number.NEGATIVE_INFINITY;
  /** Other work is first until then, by `performance.now()`. */
  #restsUntilMs = Number.NEGATIVE_INFINITY;
  /** `aloneMs` of each known suspect that has not asked for the process yet. */
  readonly #coming: number[] = [];
  /** Whether anything has begun since the last suspect. */
  #hasOthersBegun = false;

  /** Adds a part of the worker. */
  join(member: SolitudeMember): void {
    this.#members.push(member);
  }

  get isOpen(): boolean {
    return this.#state.kind === "open";
  }

  /** Resolves once it is clear whether there is other work. Await it before `ask`, since other tasks may be on their way. */
  async shown(aloneMs: number): Promise<void> {
    this.#coming.push(aloneMs);
    await pause(Math.max(SHOWS_MS, this.#openedAtMs + SHOWS_MS - performance.now()));
    this.#coming.splice(this.#coming.indexOf(aloneMs), 1);
  }

  /**
   * Asks for the process for a suspect, which begins once the process is quiet. Returns `againMs` where it must wait for its time and
   * ask again. Of several suspects that come together the most suspected is first: if it kills, nothing has begun beside it.
   */
  ask(owner: SolitudeMember, task: InHand, aloneMs: number): "accepted" | { readonly againMs: number } {
    if (!this.isOpen || this.#coming.some((other) => other > aloneMs)) return { againMs: REFUSED_MS };
    const askedAtMs = performance.now();
    const restMs = this.#restsUntilMs - askedAtMs;
    const hasOthers = this.#hasOthersBegun || this.#members.some((member) => member.hasOthers());
    if (restMs > 0 && hasOthers) return { againMs: Math.min(Math.max(restMs, REFUSED_MS), REFUSED_MAX_MS) };
    this.#state = { kind: "waiting", suspect: { task, owner, aloneMs, askedAtMs } };
    owner.onAccepted(task, aloneMs);
    for (const member of this.#members) member.onClosed();
    this.look();
    return "accepted";
  }

  /** The suspect of `owner` that has not begun; undefined: there is none. */
  waitingOf(owner: SolitudeMember): InHand | undefined {
    if (this.#state.kind !== "waiting") return undefined;
    const { suspect } = this.#state;
    return suspect.owner === owner ? suspect.task : undefined;
  }

  /** Gives up a suspect of `owner` that has not begun, and returns it. */
  withdraw(owner: SolitudeMember): InHand | undefined {
    const task = this.waitingOf(owner);
    if (task === undefined) return undefined;
    clearTimeout(this.#timer);
    this.#state = { kind: "open" };
    return task;
  }

  /** Begins the waiting suspect if the process is quiet. Called when tasks may have begun or ended. */
  look(): void {
    if (this.#state.kind !== "waiting") return;
    clearTimeout(this.#timer);
    const { suspect } = this.#state;
    const waitMs = this.#untilQuietMs(suspect);
    if (waitMs <= 0) {
      this.#state = { kind: "alone", suspect };
      suspect.owner.begin(suspect.task, suspect.aloneMs);
    } else if (Number.isFinite(waitMs)) {
      this.#timer = setTimeout(() => this.look(), Math.ceil(waitMs));
    }
  }

  /** An attempt has begun. While a suspect is alone, it is that suspect's attempt. */
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

  /** Time until all running tasks began longer than `aloneMs` ago, ms; Infinity: it depends on the next task that begins or ends. */
  #untilQuietMs({ aloneMs, owner }: Suspect): number {
    let taken = 0;
    for (const member of this.#members) taken += member.permitsTaken();
    if (taken === 0) return 0;
    const hasPermit = owner.permitsTaken() < owner.permitsUsable();
    if (!hasPermit || !Number.isFinite(aloneMs)) return Number.POSITIVE_INFINITY;
    let youngestAtMs = Number.NEGATIVE_INFINITY;
    let count = 0;
    for (const member of this.#members) {
      for (const { startedAtMs } of member.running()) {
        youngestAtMs = Math.max(youngestAtMs, startedAtMs);
        count++;
      }
    }
    return count < taken ? Number.POSITIVE_INFINITY : youngestAtMs + aloneMs - performance.now();
  }

  #open(): void {
    if (this.#state.kind !== "alone") return;
    const nowMs = performance.now();
    clearTimeout(this.#timer);
    this.#openedAtMs = nowMs;
    this.#restsUntilMs = nowMs + (nowMs - this.#state.suspect.askedAtMs);
    this.#hasOthersBegun = false;
    this.#state = { kind: "open" };
    for (const member of this.#members) member.onOpened();
  }
}
