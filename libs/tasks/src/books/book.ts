// Tested by libs/tasks/src/locks/tallies_test.ts
import { randomUUID } from "node:crypto";
import { setImmediate as soon, setTimeout as pause } from "node:timers/promises";
import { isSilence } from "../broker/publish_surely.ts";
import { LAPSE_MARGIN_MS } from "../broker/timed_entry.ts";
import { isStreamGone } from "../streams/streams.ts";
import { dropLapsed, mayHold } from "../tally/grants.ts";
import { allowanceMs, type Limit, type Plan, planTally, rateOf, roomIn, type Wanted } from "../tally/plan.ts";
import type { Mode, Tally } from "../tally/tally.ts";
import type { AskedWant, FromBooks } from "../tally/book_messages.ts";
import type { BrokerClock, BrokerMoment } from "../lease/broker_clock.ts";
import { elapsedMs, type Moment, momentNow, sharedNowMs } from "../lease/clocks.ts";
import { LeaseState } from "../lease/lease_state.ts";
import { OwnPlaces, type PlacesWanted } from "./own_places.ts";
import { QuotaChanges } from "../tally/quota_changes.ts";
import { Sightings } from "../lease/sightings.ts";
import { asStored, type StoredTally, type TallyBucket } from "./tally_bucket.ts";

/** Longest time without an answer for which a lease is asked for, ms. It is longer than a change of the bucket's leader. */
const BUDGET_MS = 10_000;
/** Pause after a request without an answer, ms. */
const PAUSE_MS = 250;
/** Part of a time to live after which a lease is renewed, as in `renewals.ts`. */
const RENEW_PART = 1 / 5;
/** Shortest time to live of a stored tally, ms. A limiter in use is then there when it is needed next. */
const LEAST_TTL_MS = 30_000;
/** Time by which a stored tally outlives what is in it, ms. */
const BEYOND_MS = 2_000;

/** The parts of the keeper's thread that tallies need. */
export interface BookParts {
  readonly bucket: TallyBucket;
  readonly clock: BrokerClock;
  /** The name of this process in lines. */
  readonly line: string;
  tell(message: FromBooks): void;
}

interface Asked {
  readonly want: AskedWant;
  readonly askedMs: number;
  /** Whether it was released before it was granted. */
  isDropped: boolean;
}

interface Held {
  readonly want: AskedWant;
  readonly state: LeaseState;
  /** Of a rate: the time under which the task is counted. */
  stampMs: number | undefined;
}

/** All that goes into one write. What comes meanwhile goes into the next. */
interface Batch {
  readonly wanted: Wanted;
  readonly asked: readonly Asked[];
  readonly dropped: readonly Held[];
  readonly renewed: readonly Held[];
  readonly places: PlacesWanted;
}

/** A write without an answer. The next reading tells whether it was stored. */
interface Unsure {
  readonly batch: Batch;
  readonly plan: Plan;
  readonly now: BrokerMoment;
  readonly sent: Moment;
}

interface Known {
  readonly stored: StoredTally;
  /** Moment at or after which it was surely the newest, by the shared monotonic clock, ms. */
  readonly confirmedMs: number;
}

/**
 * What one process has and wants of one tally. All takes, renewals, releases and refunds of its tasks travel together in one write, and
 * one write is on its way at a time. So a hundred readers of a process meet those of others as one.
 *
 * Only this class writes its fields. It runs in the keeper's thread, so a task that hogs the CPU loses no lease.
 */
export class Book {
  readonly key: string;
  readonly #parts: BookParts;
  readonly #asked = new Map<number, Asked>();
  readonly #held = new Map<number, Held>();
  /** Leases to release, by id. */
  readonly #drops = new Map<number, Held>();
  readonly #places = new OwnPlaces();
  readonly #sightings = new Sightings();
  readonly #quota = new QuotaChanges();
  #limit: Limit;
  #known: Known | undefined;
  #unsure: Unsure | undefined;
  #renewalDue = false;
  /** Since when somebody wants to be told the room, by the shared monotonic clock, ms. */
  #lookSinceMs: number | undefined;
  /** The present work; undefined: there is none. */
  #working: Promise<void> | undefined;
  #isClosed = false;
  usedAtMs = sharedNowMs();

  constructor(key: string, parts: BookParts) {
    this.key = key;
    this.#parts = parts;
  }

  /** Whether nothing would be lost with this object. */
  get isIdle(): boolean {
    return this.#working === undefined && !this.#hasWork && this.#held.size === 0 && this.#places.isEmpty;
  }

  ask(want: AskedWant): void {
    this.#asked.set(want.id, { want, askedMs: sharedNowMs(), isDropped: false });
    this.#limit = want.limit;
    this.#work();
  }

  drop(id: number, hasBegun: boolean): void {
    const asked = this.#asked.get(id);
    if (asked !== undefined) asked.isDropped = true;
    const held = this.#held.get(id);
    if (held === undefined && asked === undefined) this.#parts.tell({ kind: "dropped", id }); // it was lost
    if (held === undefined) return;
    this.#held.delete(id);
    if (rateOf(held.want.limit) !== undefined) {
      if (!hasBegun && held.stampMs !== undefined) this.#quota.giveBack(held.stampMs);
      this.#parts.tell({ kind: "dropped", id });
    } else {
      this.#drops.set(id, held);
    }
    this.#work();
  }

  late(id: number, byMs: number): void {
    const held = this.#held.get(id);
    const rate = rateOf(held?.want.limit);
    if (held?.stampMs === undefined || rate === undefined) return;
    held.stampMs = this.#quota.delay(held.stampMs, byMs, rate);
    this.#work();
  }

  /** Notes whether tasks of this process sleep in line. A sleeper that found the key taken is told as soon as that changes. */
  line(mode: Mode, sleeps: boolean, line: { readonly worker: string; readonly ttlMs: number }): void {
    if (mode === "one") return;
    this.#places.set(mode, sleeps, line);
    this.#work();
  }

  look(revision: number | undefined, limit: Limit): void {
    if (limit !== undefined) this.#limit = limit;
    const isKnown = this.#known !== undefined && revision !== undefined && this.#known.stored.revision >= revision;
    if (!isKnown) {
      if (revision !== undefined) this.#known = undefined;
      this.#lookSinceMs = sharedNowMs();
    }
    this.#work();
  }

  /** Looks after the times of leases and lines. */
  tick(nowMs: number): void {
    for (const [id, { want, state }] of this.#held) {
      if (rateOf(want.limit) !== undefined) continue;
      if (state.isSurelyPastDeadline) this.#lose(id, "its deadline has passed without a renewal");
      else if (nowMs >= state.renewedUntilMs && state.isPastDeadline)
        this.#lose(id, "it is not renewed beyond its task's timeout");
      else if (nowMs < state.renewedUntilMs && elapsedMs(state.sent) >= want.ttlMs * RENEW_PART)
        this.#renewalDue = true;
    }
    if (this.#places.tick(nowMs, RENEW_PART)) this.#renewalDue = true;
    if (this.#hasWork) this.#work();
  }

  /** Writes what is to be given back, and ends. Leases that are still held lapse. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#asked.clear();
    await this.#working;
  }

  get #hasWork(): boolean {
    return (
      this.#asked.size + this.#drops.size > 0 ||
      !this.#quota.isEmpty ||
      this.#renewalDue ||
      this.#lookSinceMs !== undefined ||
      this.#places.hasNews
    );
  }

  #work(): void {
    this.usedAtMs = sharedNowMs();
    this.#working ??= this.#workOn();
  }

  async #workOn(): Promise<void> {
    await soon(); // what arrives in one turn of the event loop goes into one write
    while (this.#hasWork) {
      try {
        await this.#round();
      } catch (error) {
        await this.#failed(error);
        if (this.#isClosed) break;
      }
    }
    this.#working = undefined;
  }

  async #read(now: BrokerMoment): Promise<Known> {
    const confirmedMs = sharedNowMs();
    const stored = await this.#parts.bucket.read(this.key, now.earliestMs);
    const known = { stored, confirmedMs };
    this.#known = known;
    const unsure = this.#unsure;
    this.#unsure = undefined;
    if (unsure === undefined) return known;
    if (stored.tally?.by === unsure.plan.draft.by) this.#settle(unsure, stored.revision, confirmedMs);
    else this.#quota.doubted(unsure.batch.wanted);
    return known;
  }

  #batch(nowMs: number): Batch {
    const asked = [...this.#asked.values()];
    const dropped = [...this.#drops.values()];
    const renewed = [...this.#held.values()].filter(
      ({ stampMs, state }) => stampMs === undefined && state.isHeld && nowMs < state.renewedUntilMs,
    );
    const places = this.#places.wanted(this.#renewalDue);
    const wanted: Wanted = {
      line: this.#parts.line,
      wants: asked.map(({ want }) => want),
      drops: dropped.map(({ want }) => want.holder),
      renewals: this.#renewalDue ? renewed.map(({ want: { holder, ttlMs } }) => ({ holder, ttlMs })) : [],
      ...this.#quota.wanted(),
      lines: places.lines,
      leaves: places.leaves,
      limit: this.#limit,
      standsStill: (name, { untilMs, ttlMs }) => this.#sightings.note(name, untilMs) > ttlMs + LAPSE_MARGIN_MS,
    };
    return { wanted, asked, dropped, renewed: this.#renewalDue ? renewed : [], places };
  }

  /** Makes one reading where that is needed, and one write. */
  async #round(): Promise<void> {
    const sent = momentNow();
    const now = await this.#parts.clock.now();
    const known = this.#known ?? (await this.#read(now));
    const { tally, revision } = known.stored;
    if (tally === undefined) return this.#meetForeign(known);
    this.#noteLost(tally);
    const batch = this.#batch(sharedNowMs());
    const plan = planTally(tally, batch.wanted, now);
    if (!plan.isChanged) {
      if (this.#isOld(known, plan)) {
        this.#known = undefined; // A refusal rests on a reading that was made after the question.
        return;
      }
      this.#settle({ batch, plan, now, sent }, revision, known.confirmedMs);
      return;
    }
    plan.draft.by = randomUUID();
    const ttlMs = this.#ttlOf(plan.draft, now.earliestMs);
    const askedMs = sharedNowMs();
    try {
      const written = await this.#parts.bucket.write(this.key, { tally: plan.draft, ttlMs, expected: revision });
      if (written === undefined) this.#known = undefined;
      else this.#settle({ batch, plan, now, sent }, written, askedMs);
    } catch (error) {
      if (isSilence(error)) this.#unsure = { batch, plan, now, sent };
      throw error;
    }
  }

  /** Whether an answer must rest on a newer reading. */
  #isOld({ confirmedMs }: Known, { refused }: Plan): boolean {
    const isRefusedUnread = refused.some(({ id }) => (this.#asked.get(id)?.askedMs ?? 0) > confirmedMs);
    return isRefusedUnread || (this.#lookSinceMs !== undefined && this.#lookSinceMs > confirmedMs);
  }

  #ttlOf({ leases, waiting, takes }: Tally, nowMs: number): number {
    const longest = Math.max(0, ...[...leases, ...waiting].map(({ ttlMs }) => ttlMs));
    const perMs = rateOf(this.#limit)?.perMs ?? 0;
    const newest = takes.at(-1)?.[0] ?? nowMs;
    return Math.ceil(Math.max(LEAST_TTL_MS, longest + BEYOND_MS, newest - nowMs + perMs + BEYOND_MS));
  }

  /** A tally as it is now stored by us, or that was found to need no change. */
  #settle({ batch, plan, now, sent }: Unsure, revision: number, confirmedMs: number): void {
    const stored = asStored(plan.draft, revision);
    this.#known = { stored, confirmedMs };
    this.#noteLost(plan.draft);
    const { wanted } = batch;
    this.#quota.settled(wanted);
    this.#places.settled(batch.places, sent);
    this.#renewalDue = false;
    for (const { state } of batch.renewed) if (state.isHeld) state.noteWrite(revision, sent);
    for (const { want } of batch.dropped) {
      this.#drops.delete(want.id);
      this.#parts.tell({ kind: "dropped", id: want.id });
    }
    for (const { want, stampMs } of plan.granted) this.#grant(want.id, stampMs, { stored, revision, now, sent });
    for (const { id } of plan.refused) {
      this.#asked.delete(id);
      this.#parts.tell({ kind: "held", id });
    }
    this.#lookSinceMs = undefined;
    this.#tellRoom(now.earliestMs);
  }

  #grant(
    id: number,
    stampMs: number | undefined,
    { stored, revision, now, sent }: { stored: StoredTally; revision: number; now: BrokerMoment; sent: Moment },
  ): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    this.#asked.delete(id);
    const { want, isDropped } = asked;
    const state = new LeaseState(want.ttlMs, want.shared);
    state.noteWrite(revision, sent);
    this.#held.set(id, { want, state, stampMs });
    if (want.mode !== "one" && want.others === 0) this.#places.served(want.mode);
    const epoch = want.mode === "shared" ? stored.tally?.epoch : undefined;
    const rate = rateOf(want.limit);
    this.#parts.tell({
      kind: "granted",
      id,
      fencingToken: epoch?.token ?? revision,
      fencedBy: epoch?.id ?? want.holder,
      beginByMs: rate === undefined ? undefined : now.atMs + allowanceMs(rate),
    });
    if (isDropped) this.drop(id, false);
  }

  #tellRoom(nowMs: number): void {
    const tally = this.#known?.stored.tally;
    if (tally === undefined) return;
    const seen = { ...tally };
    dropLapsed(seen, nowMs, () => false);
    this.#places.noteTurns((side) => mayHold(seen, side, this.#parts.line));
    this.#parts.tell({
      kind: "room",
      key: this.key,
      room: roomIn(seen, { line: this.#parts.line, limit: this.#limit }, nowMs),
    });
  }

  #noteLost(tally: Tally): void {
    const holders = new Set(tally.leases.map(({ holder }) => holder));
    for (const [id, { want, stampMs }] of this.#held) {
      if (stampMs === undefined && !holders.has(want.holder)) this.#lose(id, "it has lapsed or was freed");
    }
  }

  #lose(id: number, reason: string): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    if (held?.state.end("lost") === true) this.#parts.tell({ kind: "lost", id, reason });
  }

  /** Nobody has a part of what is no tally. The author of that value holds the key. */
  #meetForeign({ confirmedMs }: Known): void {
    if ([...this.#asked.values()].some(({ askedMs }) => askedMs > confirmedMs)) {
      this.#known = undefined;
      return;
    }
    for (const id of this.#held.keys()) this.#lose(id, "somebody stored another value by hand");
    for (const id of this.#asked.keys()) this.#parts.tell({ kind: "held", id });
    for (const id of this.#drops.keys()) this.#parts.tell({ kind: "dropped", id });
    this.#asked.clear();
    this.#drops.clear();
    this.#places.clear();
    this.#quota.clear();
    [this.#renewalDue, this.#lookSinceMs] = [false, undefined];
    this.#parts.tell({ kind: "foreign", key: this.key });
    this.#parts.tell({ kind: "room", key: this.key, room: { free: 0, forWriter: false, nextInMs: BUDGET_MS / 2 } });
    this.#known = undefined;
  }

  async #failed(error: unknown): Promise<void> {
    this.#known = undefined;
    const isAway = isSilence(error) || isStreamGone(error);
    const nowMs = sharedNowMs();
    for (const [id, { askedMs }] of this.#asked) {
      if (isAway && nowMs - askedMs < BUDGET_MS) continue;
      this.#asked.delete(id);
      this.#parts.tell({ kind: "unknown", id, reason: String(error) });
    }
    for (const [id, { state, want }] of this.#drops) {
      if (isAway && elapsedMs(state.sent) < want.ttlMs) continue;
      this.#drops.delete(id); // it lapses by itself
      this.#parts.tell({ kind: "dropped", id });
    }
    this.#lookSinceMs = undefined;
    this.#parts.tell({ kind: "silent", reason: String(error) });
    await pause(PAUSE_MS);
  }
}
