import { asSharedMs } from "../lease/clocks.ts";
import type { Lease } from "../lease/lease.ts";
import type { LeaseState, LeaseWrite } from "../lease/lease_state.ts";
import type { WaitingRoom } from "./waiting_room.ts";

/** How a process shares its locks among its own tasks and with other processes, ms. */
export interface TurnTimes {
  /** Longest time for which a process keeps a lock by handing it on among its own tasks. Other processes wait for it too. Default 100. */
  readonly tenureMs: number;
  /** Time for which its own tasks then let other processes go first, which hear of the release a round trip later. Default 3. */
  readonly restMs: number;
  /** Time after which a lock that was handed on is released if no task takes it up. Default 50. */
  readonly offerMs: number;
  /** The same time where none of its tasks waits yet. The next one that wants the lock is often in hand and about to begin. Default 1. */
  readonly lingerMs: number;
}

const DEFAULT_TIMES: TurnTimes = { tenureMs: 100, restMs: 3, offerMs: 50, lingerMs: 1 };

/** A lock that this process has, through the turns of its tasks. */
export interface Hold {
  readonly lease: Lease;
  readonly state: LeaseState;
  /** When it was taken, by `performance.now()`. */
  readonly takenAtMs: number;
}

/** One task's time under a lock. It is the lease, except for its end. */
export interface Turn extends Lease {
  /** How the database fences its runs; absent: by the token of its own. */
  readonly fence?: "own" | "shared" | "none";
  /** Of a rate: its task begins now, so its quota is used. Returns false where that is far too late: release it, and begin nothing. */
  begin?(): boolean;
  /** Renews it until `untilMs` of `performance.now()`, in place of the time that was named before. Infinity: until it is released. */
  renewUntil(untilMs: number): void;
  /**
   * Ends the turn in good order, in place of `release`. Where tasks of this process wait for the lock, or ask for it within `lingerMs`,
   * the first of them has it next without a message to the broker. Call it only once the transaction has certainly ended, and never
   * where code may still run. A lock that no task takes up is freed only after this has resolved.
   *
   * The next turn has the same fencing token. Fences accept the same holder again, and turns of one process follow one another.
   */
  handOn(): Promise<void>;
}

/** A class, since each task has one: V8 takes ten times as long for an object with an accessor of its own. */
class TurnOfHold implements Turn {
  readonly key: string;
  readonly holder: string;
  readonly fencingToken: number;
  readonly signal: AbortSignal;
  readonly #hold: Hold;
  readonly #offer: () => boolean;
  /** Settles with the turn's end. Set by the first call that ends it. */
  #over: Promise<void> | undefined;

  /** `offer` leaves the lock to the next task. It returns false where that may not be. */
  constructor(hold: Hold, offer: () => boolean) {
    const { key, holder, fencingToken, signal } = hold.lease;
    this.key = key;
    this.holder = holder;
    this.fencingToken = fencingToken;
    this.signal = signal;
    this.#hold = hold;
    this.#offer = offer;
  }

  get lastWrite(): LeaseWrite {
    return this.#hold.lease.lastWrite;
  }

  checkDeadline(): void {
    this.#hold.lease.checkDeadline();
  }

  renewUntil(untilMs: number): void {
    this.#hold.state.renewUntil(asSharedMs(untilMs));
  }

  release(): Promise<void> {
    this.#over ??= this.#hold.lease.release();
    return this.#over;
  }

  handOn(): Promise<void> {
    this.#over ??= this.#offer() ? Promise.resolve() : this.#hold.lease.release();
    return this.#over;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

/** A lock that waits for the task to which it was handed on. It is emptied afterwards, since the former tables of a `Map` keep it alive. */
interface Offer {
  hold: Hold | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** The locks of a process that were handed on and are not taken up yet. */
export class Turns {
  readonly #room: WaitingRoom;
  readonly #times: TurnTimes;
  readonly #offers = new Map<string, Offer>();

  constructor(room: WaitingRoom, times: Partial<TurnTimes> = {}) {
    this.#room = room;
    this.#times = { ...DEFAULT_TIMES, ...times };
  }

  /** Begins the turn of a task whose timeout is at `untilMs` of `performance.now()`. */
  begin(hold: Hold, untilMs: number): Turn {
    hold.state.renewUntil(asSharedMs(untilMs));
    return new TurnOfHold(hold, () => this.#offer(hold));
  }

  /** Begins the turn of a task that is first in line, if the lock was handed on to it. */
  takeUp(key: string, untilMs: number): Turn | undefined {
    const hold = this.#withdraw(key);
    if (hold === undefined) return undefined;
    const { lease, state } = hold;
    // If it was lost meanwhile, the broker is asked as if no lock had been handed on.
    return lease.signal.aborted || !state.isHeld || state.isPastDeadline ? undefined : this.begin(hold, untilMs);
  }

  /** Releases the locks that were handed on and not taken up, since no task takes them up any more. */
  async close(): Promise<void> {
    const holds = [...this.#offers.keys()].map((key) => this.#withdraw(key));
    await Promise.all(holds.map((hold) => hold?.lease.release()));
  }

  #withdraw(key: string): Hold | undefined {
    const offer = this.#offers.get(key);
    if (offer === undefined) return undefined;
    this.#offers.delete(key);
    clearTimeout(offer.timer);
    const { hold } = offer;
    offer.hold = undefined;
    offer.timer = undefined;
    return hold;
  }

  #offer(hold: Hold): boolean {
    const { lease, state, takenAtMs } = hold;
    if (lease.signal.aborted || state.isPastDeadline) return false;
    const { tenureMs, restMs, offerMs, lingerMs } = this.#times;
    const isWaitedFor = this.#room.isWaitedFor(lease.key);
    if (performance.now() - takenAtMs > tenureMs) {
      if (isWaitedFor) this.#room.rest(lease.key, restMs);
      return false;
    }
    const letGo = () => {
      this.#withdraw(lease.key);
      void lease.release();
    };
    const timer = setTimeout(letGo, isWaitedFor ? offerMs : lingerMs);
    this.#offers.set(lease.key, { hold, timer });
    this.#room.wake(lease.key);
    return true;
  }
}
