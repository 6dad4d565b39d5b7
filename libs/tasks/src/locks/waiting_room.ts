import type { KeptState } from "./kept_locks.ts";
import { SAFETY_MS } from "../lease/lease_state.ts";

/** A task that wants locks. One object stands for it from its first try until it has its locks or is forgotten. */
export interface Waiter {
  /** Called when it is this waiter's turn. It must try now or be forgotten, since those behind it wait. */
  resume(): void;
  /**
   * The keys in whose lines it stands. Only the room writes and reads them. They are kept here, since the former tables of a `Map` keep
   * what was in them alive.
   */
  keys?: Set<string> | undefined;
  /** The keys of read-write locks and limiters in whose lines it stands. Only `TallyLines` writes and reads them. */
  tallyKeys?: Set<string>;
  /** How often limits had changed when its last try began. Only `TallyLines` writes and reads it. */
  limitsRead?: number;
  /** Since when it waits, and what it holds meanwhile; undefined: it was not refused yet. Only `KeptLocks` writes it. */
  kept?: KeptState | undefined;
}

export interface RoomLimits {
  /** Largest number of waiters asleep in this process, default 1,000. */
  readonly perProcess: number;
  /** Largest number of waiters in one key's line, default 64. One CE that all tasks want must not fill the room. */
  readonly perKey: number;
}

/**
 * A waiter's place in one line.
 *
 * States:
 *   trying  It asks the broker, or is about to. Only the first of a line does so.
 *   asleep  It waits to be resumed. It may never have tried.
 *
 * Transitions:
 *   trying -> asleep  its lock is held (`sleep`)
 *   asleep -> trying  the lock may be free (`wake`), or its task tries by itself (`lineUp`)
 */
interface Place {
  readonly waiter: Waiter;
  state: "trying" | "asleep";
  /** Whether the lock may have come free since this try began. Then finding it held proves nothing. */
  isStale: boolean;
}

interface Line {
  readonly places: Place[];
  /** The highest revision of the key for which a waiter was woken or took the lock. Older news is ignored. */
  newest: number;
  /** Time without news after which the holder's lease has lapsed, ms. */
  holderTtlMs: number;
  /** No waiter of this line is woken before, by `performance.now()`. */
  restsUntilMs: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The lines of waiters for locks, in order of arrival, one line for each key.
 *
 * A waiter lines up before it tries, so that no release can fall between its try and its sleep. If the news of a release is lost, the
 * first of a line is still resumed once the holder's TTL and a second have passed.
 */
export class WaitingRoom {
  readonly #lines = new Map<string, Line>();
  readonly #limits: RoomLimits;
  readonly #ttlMs: number;
  #asleep = 0;

  constructor(ttlMs: number, limits: RoomLimits) {
    this.#ttlMs = ttlMs;
    this.#limits = limits;
  }

  /** Number of waiters that are asleep, in all lines. */
  get asleep(): number {
    return this.#asleep;
  }

  /** Number of waiters in the line of `key`, trying or asleep. */
  waiting(key: string): number {
    return this.#lines.get(key)?.places.length ?? 0;
  }

  /** The number of waiters in each line. */
  *lengths(): Generator<readonly [key: string, count: number]> {
    for (const [key, { places }] of this.#lines) yield [key, places.length];
  }

  /** Whether some line may be full. This hint costs nothing. */
  get mayBeFull(): boolean {
    const { perKey, perProcess } = this.#limits;
    return this.#asleep + 1 >= Math.min(perKey, perProcess);
  }

  /** Returns the first of `keys` whose line has no place for this waiter; undefined: it has a place in each, or need not wait there. */
  fullAt(keys: readonly string[], waiter: Waiter): string | undefined {
    return keys.find((key) => {
      const length = this.waiting(key);
      const isFull = length >= this.#limits.perKey || this.#asleep >= this.#limits.perProcess;
      return length > 0 && isFull && waiter.keys?.has(key) !== true;
    });
  }

  /** Whether the first in the line of `key` is asleep, so that it comes as soon as it is woken. */
  isWaitedFor(key: string): boolean {
    return this.#lines.get(key)?.places[0]?.state === "asleep";
  }

  /** Puts `waiter` at the end of the line of `key`, unless it stands there already. Returns whether it is first and may try. */
  lineUp(key: string, waiter: Waiter): boolean {
    const line = this.#lines.get(key) ?? {
      places: [],
      newest: 0,
      holderTtlMs: this.#ttlMs,
      restsUntilMs: 0,
      timer: undefined,
    };
    this.#lines.set(key, line);
    let place = line.places.find((each) => each.waiter === waiter);
    if (place === undefined) {
      place = { waiter, state: "trying", isStale: false };
      line.places.push(place);
      waiter.keys ??= new Set();
      waiter.keys.add(key);
    }
    this.#wakeUp(place);
    place.isStale = false;
    return line.places[0] === place;
  }

  /** The waiter has the lock of `key` and leaves the line. The next one sleeps until the lock is free again. */
  took(key: string, waiter: Waiter, fencingToken: number): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    line.newest = Math.max(line.newest, fencingToken);
    line.holderTtlMs = this.#ttlMs;
    for (const place of line.places) place.isStale = false;
    this.#leave(key, line, waiter);
  }

  /** The waiter found the lock of `key` held. It keeps its place there, and leaves every other line to those behind it. */
  foundHeld(key: string, waiter: Waiter, holderTtlMs?: number): void {
    const line = this.#lines.get(key);
    if (line !== undefined && holderTtlMs !== undefined) line.holderTtlMs = holderTtlMs;
    for (const other of [...(waiter.keys ?? [])]) {
      if (other !== key) this.#giveUp(other, waiter);
    }
  }

  /** Puts a waiter that found its lock held to sleep in its line. Returns false where room or line is full: the waiter has left then. */
  sleep(waiter: Waiter): boolean {
    const [key] = waiter.keys ?? [];
    const line = key === undefined ? undefined : this.#lines.get(key);
    const index = line?.places.findIndex((each) => each.waiter === waiter) ?? -1;
    const place = line?.places[index];
    if (key === undefined || line === undefined || place === undefined) return false;
    if (this.#asleep >= this.#limits.perProcess || index >= this.#limits.perKey) {
      this.forget(waiter);
      return false;
    }
    if (place.state === "trying") this.#asleep++;
    place.state = "asleep";
    if (index === 0) this.#watchOver(key, line);
    return true;
  }

  /** The waiter leaves all lines. Where it was first, it is the next one's turn. */
  forget(waiter: Waiter): void {
    for (const key of [...(waiter.keys ?? [])]) this.#giveUp(key, waiter);
  }

  /** The watcher says that the write of `revision` freed the lock. Old news is ignored. */
  heardFreed(key: string, revision: number): void {
    const line = this.#lines.get(key);
    if (line !== undefined && revision > line.newest) this.freed(key, revision);
  }

  /** This process has freed the lock by the write of `revision`. No waiter could try before, even if the watcher was faster. */
  freed(key: string, revision: number): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    line.newest = Math.max(line.newest, revision);
    this.wake(key);
  }

  /** Leaves the lock to other processes for `ms`: no waiter here is woken for it. */
  rest(key: string, ms: number): void {
    const line = this.#lines.get(key);
    if (line !== undefined) line.restsUntilMs = performance.now() + ms;
  }

  /** The lock may be free. The first in its line tries. */
  wake(key: string): void {
    const line = this.#lines.get(key);
    const first = line?.places[0];
    if (line === undefined || first === undefined) return;
    const restMs = line.restsUntilMs - performance.now();
    if (restMs > 0) {
      setTimeout(() => this.wake(key), Math.ceil(restMs)).unref();
      return;
    }
    if (first.state === "trying") first.isStale = true;
    else this.#resume(key, first);
  }

  /** Any lock may be free, since news may have been missed. */
  wakeAll(): void {
    for (const key of [...this.#lines.keys()]) this.wake(key);
  }

  /** Ends all timers. No waiter is resumed any more. */
  close(): void {
    for (const line of this.#lines.values()) clearTimeout(line.timer);
    this.#lines.clear();
    this.#asleep = 0;
  }

  /** Makes sure that the first of a line, which sleeps, is resumed. */
  #watchOver(key: string, line: Line): void {
    const first = line.places[0];
    clearTimeout(line.timer);
    if (first === undefined || first.state !== "asleep") return;
    if (first.isStale) {
      // Not at once: its caller is still on the way out of its try.
      setImmediate(() => this.#resume(key, first));
      return;
    }
    line.timer = setTimeout(() => this.wake(key), line.holderTtlMs + SAFETY_MS).unref();
  }

  #resume(key: string, place: Place): void {
    if (place.state !== "asleep" || this.#lines.get(key)?.places[0] !== place) return;
    this.#wakeUp(place);
    clearTimeout(this.#lines.get(key)?.timer);
    place.waiter.resume();
  }

  #wakeUp(place: Place): void {
    if (place.state === "asleep") this.#asleep--;
    place.state = "trying";
  }

  #giveUp(key: string, waiter: Waiter): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    const wasFirst = line.places[0]?.waiter === waiter;
    this.#leave(key, line, waiter);
    if (wasFirst) this.wake(key);
  }

  #leave(key: string, line: Line, waiter: Waiter): void {
    const index = line.places.findIndex((each) => each.waiter === waiter);
    const [place] = index < 0 ? [] : line.places.splice(index, 1);
    if (place === undefined) return;
    this.#wakeUp(place);
    waiter.keys?.delete(key);
    if (line.places.length > 0) {
      if (index === 0) this.#watchOver(key, line);
      return;
    }
    clearTimeout(line.timer);
    this.#lines.delete(key);
  }
}
