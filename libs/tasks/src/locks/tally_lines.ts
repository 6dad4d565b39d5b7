// Tested by libs/tasks/src/locks/tallies_test.ts
import type { Room } from "../tally/grants.ts";
import type { Mode } from "../tally/tally.ts";
import type { RoomLimits, Waiter } from "./waiting_room.ts";

/** Shortest time to the next look at a key, ms. */
const LEAST_LOOK_MS = 20;
/** Greatest number of tasks of one line that try at a time. One write serves all of them. */
const MOST_TRYING = 256;

/**
 * A waiter's place in one line.
 *
 * States:
 *   trying  It asks, or is about to. Several of a line may do so, as many as there is room for.
 *   asleep  It waits to be resumed.
 */
interface Place {
  readonly waiter: Waiter;
  readonly mode: Mode;
  /** Since when its task waits, here or for another of its locks, by `performance.now()`, ms. */
  readonly sinceMs: number;
  state: "trying" | "asleep";
  /** The line's `news` with the room that was told with its refusal. Later news may have found it awake. 0: it was not refused yet. */
  refusedAt: number;
}

interface Line {
  readonly places: Place[];
  /** The modes in which it was told that tasks sleep here. */
  readonly told: Set<Mode>;
  /** The room that was told last; undefined: none yet. */
  room: Room | undefined;
  /** Number of times that room was told. */
  news: number;
  timer: NodeJS.Timeout | undefined;
}

/** The index at which `place` enters: a limiter's line is in the order in which its tasks began to wait, any other in order of arrival. */
function placeFor(places: readonly Place[], { mode, sinceMs }: Place): number {
  return mode === "one" ? places.findLastIndex((each) => each.sinceMs <= sinceMs) + 1 : places.length;
}

export interface TallyLinesOptions {
  readonly limits: RoomLimits;
  /** Longest time without news after which a line looks by itself, ms. */
  readonly ttlMs: number;
  /** Asks for the room of a key. `revision`: that of a write that was heard of. */
  look(key: string, revision?: number): void;
  /** Tells that tasks sleep in a line in this mode, or that none is left there. */
  sleeps(key: string, mode: Mode, sleeps: boolean): void;
}

/**
 * The lines of those who wait for read-write locks and limiters, first come first served. Beside `WaitingRoom`, several of a line may try
 * at a time. How many is told by the tally, as is the time at which more may.
 *
 * A task that comes back to a limiter's line has the place that it would have if it had stood there since its first refusal. What it keeps
 * meanwhile is so kept for a short time, and those who came first are not overtaken.
 */
export class TallyLines {
  readonly #lines = new Map<string, Line>();
  readonly #options: TallyLinesOptions;
  #asleep = 0;
  /** Number of times that limits have changed. */
  #changes = 0;

  constructor(options: TallyLinesOptions) {
    this.#options = options;
  }

  get asleep(): number {
    return this.#asleep;
  }

  /** Whether some line may be full. This hint costs nothing. */
  get mayBeFull(): boolean {
    const { perKey, perProcess } = this.#options.limits;
    return this.#asleep + 1 >= Math.min(perKey, perProcess);
  }

  /** Number of waiters in each line. */
  *lengths(): Generator<readonly [key: string, count: number]> {
    for (const [key, { places }] of this.#lines) yield [key, places.length];
  }

  count(key: string): number {
    return this.#lines.get(key)?.places.length ?? 0;
  }

  /** Number of waiters asleep in this mode, beside those who try. */
  others(key: string, mode: Mode): number {
    return this.#lines.get(key)?.places.filter((each) => each.mode === mode && each.state === "asleep").length ?? 0;
  }

  fullAt(keys: readonly string[], waiter: Waiter): string | undefined {
    const { perKey, perProcess } = this.#options.limits;
    return keys.find((key) => {
      const length = this.count(key);
      const isFull = length >= perKey || this.#asleep >= perProcess;
      return length > 0 && isFull && waiter.tallyKeys?.has(key) !== true;
    });
  }

  /** A try begins, by the limits that are in force now. */
  begins(waiter: Waiter): void {
    waiter.limitsRead = this.#changes;
  }

  /** Puts `waiter` at its place in the line, unless it stands there already. Returns whether it may try. */
  lineUp(key: string, mode: Mode, waiter: Waiter): boolean {
    const line = this.#lines.get(key) ?? { places: [], told: new Set(), room: undefined, news: 0, timer: undefined };
    this.#lines.set(key, line);
    let place = line.places.find((each) => each.waiter === waiter);
    if (place === undefined) {
      place = { waiter, mode, sinceMs: waiter.kept?.sinceMs ?? performance.now(), state: "asleep", refusedAt: 0 };
      this.#asleep++;
      line.places.splice(placeFor(line.places, place), 0, place);
      waiter.tallyKeys ??= new Set();
      waiter.tallyKeys.add(key);
    }
    const at = line.places.indexOf(place);
    this.#setState(place, "trying");
    if (at >= MOST_TRYING) return false;
    return line.places
      .slice(0, at)
      .every((each) => each.state === "trying" && each.mode === mode && mode !== "exclusive");
  }

  /** The waiter has its part of `key` and leaves the line. */
  took(key: string, waiter: Waiter): void {
    this.#leave(key, waiter);
  }

  /** The waiter was refused at `key`. It keeps its place there, and leaves every other line to those behind it. */
  foundHeld(key: string, waiter: Waiter): void {
    for (const other of [...(waiter.tallyKeys ?? [])]) if (other !== key) this.#giveUp(other, waiter);
  }

  /** Notes the moment of a refusal, before the room that was told with it. */
  noteRefused(key: string, waiter: Waiter): void {
    const line = this.#lines.get(key);
    const place = line?.places.find((each) => each.waiter === waiter);
    if (line !== undefined && place !== undefined) place.refusedAt = line.news + 1;
  }

  /** Puts a refused waiter to sleep. Returns undefined where it stands in no line, and false where room or line is full: it has left then. */
  sleep(waiter: Waiter): boolean | undefined {
    const [key] = waiter.tallyKeys ?? [];
    const line = key === undefined ? undefined : this.#lines.get(key);
    const index = line?.places.findIndex((each) => each.waiter === waiter) ?? -1;
    const place = line?.places[index];
    if (key === undefined || line === undefined || place === undefined) return undefined;
    const { perKey, perProcess } = this.#options.limits;
    if (this.#asleep >= perProcess || index >= perKey) {
      this.forget(waiter);
      return false;
    }
    this.#setState(place, "asleep");
    line.told.add(place.mode);
    this.#options.sleeps(key, place.mode, true);
    if (line.timer === undefined) this.#setTimer(key, line);
    // Not at once: its caller is still on the way out of its try.
    if (index < MOST_TRYING && line.news > place.refusedAt) setImmediate(() => this.#serve(key));
    // It was refused by a limit that was in force no more by then, and nobody would tell it: the next news is of that limit.
    if (waiter.limitsRead !== this.#changes) setImmediate(() => this.#resume(place));
    return true;
  }

  forget(waiter: Waiter): void {
    for (const key of [...(waiter.tallyKeys ?? [])]) this.#giveUp(key, waiter);
  }

  /** The room of a key was told. As many as there is room for try. */
  noteRoom(key: string, room: Room): void {
    const line = this.#lines.get(key);
    if (line === undefined) return;
    line.room = room;
    line.news++;
    this.#setTimer(key, line);
    this.#serve(key);
  }

  /** Whether a waiter sleeps in the line of `key`. */
  #isWaitedFor(key: string): boolean {
    return this.#lines.get(key)?.places.some(({ state }) => state === "asleep") === true;
  }

  /** A key was written by `revision`, perhaps by another process. Costs nothing where nobody sleeps in its line. */
  heardChanged(key: string, revision: number): void {
    if (this.#isWaitedFor(key)) this.#options.look(key, revision);
  }

  /** Asks for the room of each key for which somebody sleeps, since news may have been missed. */
  lookAll(): void {
    for (const key of this.#lines.keys()) if (this.#isWaitedFor(key)) this.#options.look(key);
  }

  /** All try again, since a limit has changed. Who is in a try of before does so after it. */
  wakeAll(): void {
    this.#changes++;
    for (const [, line] of this.#lines) for (const place of [...line.places]) this.#resume(place);
  }

  close(): void {
    for (const { timer } of this.#lines.values()) clearTimeout(timer);
    this.#lines.clear();
    this.#asleep = 0;
  }

  #setTimer(key: string, line: Line): void {
    clearTimeout(line.timer);
    line.timer = undefined;
    if (line.places.every(({ state }) => state === "trying")) return;
    const nextInMs = Math.min(line.room?.nextInMs ?? Number.POSITIVE_INFINITY, this.#options.ttlMs + 1_000);
    const look = () => {
      line.timer = undefined;
      line.room = undefined;
      this.#options.look(key);
      this.#setTimer(key, line);
    };
    line.timer = setTimeout(look, Math.max(LEAST_LOOK_MS, Math.ceil(nextInMs))).unref();
  }

  /** Resumes as many at the head of the line as there is room for. */
  #serve(key: string): void {
    const line = this.#lines.get(key);
    if (line?.room === undefined) return;
    const { free, forWriter } = line.room;
    let left = free;
    for (const place of line.places.slice(0, MOST_TRYING)) {
      if (place.mode === "exclusive") {
        // A writer is alone, so it must be the first of all.
        if (forWriter && line.places[0] === place) this.#resume(place);
        return;
      }
      if (left-- <= 0) return;
      this.#resume(place);
    }
  }

  #resume(place: Place): void {
    if (place.state !== "asleep") return;
    this.#setState(place, "trying");
    place.waiter.resume();
  }

  #setState(place: Place, state: Place["state"]): void {
    if (place.state === state) return;
    this.#asleep += state === "asleep" ? 1 : -1;
    place.state = state;
  }

  #giveUp(key: string, waiter: Waiter): void {
    this.#leave(key, waiter);
    this.#serve(key);
  }

  #leave(key: string, waiter: Waiter): void {
    const line = this.#lines.get(key);
    const index = line?.places.findIndex((each) => each.waiter === waiter) ?? -1;
    const [place] = index < 0 ? [] : (line?.places.splice(index, 1) ?? []);
    waiter.tallyKeys?.delete(key);
    if (line === undefined || place === undefined) return;
    this.#setState(place, "trying");
    const isLast = line.places.every(({ mode }) => mode !== place.mode);
    if (isLast && line.told.delete(place.mode)) this.#options.sleeps(key, place.mode, false);
    if (line.places.length > 0) return;
    clearTimeout(line.timer);
    this.#lines.delete(key);
  }
}
