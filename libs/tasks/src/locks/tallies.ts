// Tested by libs/tasks/src/locks/tallies_test.ts
import { randomUUID } from "node:crypto";
import type { Broker } from "../broker/broker.ts";
import { createReminder } from "../connection/reminder.ts";
import type { BooksPort, FromBooks } from "../tally/book_messages.ts";
import { asSharedMs, sharedNowMs } from "../lease/clocks.ts";
import { LeaseState } from "../lease/lease_state.ts";
import { LOWEST_TOKEN } from "../lease/raise.ts";
import { declareIfGone, LockUnknownError } from "../lease/take.ts";
import { type Granted, openTallyLease } from "./tally_lease.ts";
import type { TallyLines } from "./tally_lines.ts";
import { modeOf, type TallyWanted } from "./tally_wanted.ts";
import type { Turn } from "./turns.ts";
import type { Waiter } from "./waiting_room.ts";

/** Number of times that the bucket is raised for one take. After that the lock counts as held. */
const MAX_RAISES = 4;

export interface TallyRequest {
  readonly taskId: string;
  /** When renewing stops, by `performance.now()`, ms. */
  readonly untilMs: number;
  readonly waiter: Waiter;
}

interface TalliesOptions {
  readonly broker: Broker;
  readonly books: BooksPort;
  readonly worker: string;
  readonly ttlMs: number;
  readonly lines: TallyLines;
  /** Raises the bucket's revisions. Nobody holds a lock afterwards. */
  raise(): Promise<unknown>;
}

type Answer = Granted | { readonly kind: "held" } | { readonly kind: "unknown"; readonly reason: string };

/** A take on its way, and then the lease that it has become. */
interface Entry {
  readonly key: string;
  readonly waiter: Waiter;
  answer(answer: Answer): void;
  lose(reason: string): void;
  dropped(): void;
}

/** The read-write locks and limiters of a process, as the thread of its tasks takes them. The keeper's thread does the work. */
export interface Tallies {
  /** Takes a part of the key. Returns undefined where there is none to be had. Throws `LockUnknownError`. */
  take(wanted: TallyWanted, request: TallyRequest): Promise<Turn | undefined>;
}

export function openTallies(options: TalliesOptions): Tallies {
  const { broker, books, worker, ttlMs, lines, raise } = options;
  const entries = new Map<number, Entry>();
  const reminder = createReminder({ most: 1_000, nowMs: sharedNowMs });
  let lastId = 0;
  let isDeclaring = false;

  function tellOfForeign(key: string): void {
    if (!reminder.isTime(key)) return;
    broker.observer.alarm(
      `Tasks wait for "${key}", under which somebody has stored a value by hand; free it with: muster lock release '${key}'`,
      { key },
    );
  }

  function declareBucket(): void {
    if (isDeclaring) return;
    isDeclaring = true;
    void declareIfGone(broker)
      .catch((cause: unknown) => broker.observer.note("Cannot look for the bucket locks yet", { cause }))
      .finally(() => {
        isDeclaring = false;
      });
  }

  function crash(reason: string): void {
    for (const entry of entries.values()) {
      entry.answer({ kind: "unknown", reason });
      entry.lose(reason);
      entry.dropped();
    }
    entries.clear();
  }

  books.listen((message: FromBooks) => {
    if (message.kind === "room") return lines.noteRoom(message.key, message.room);
    if (message.kind === "foreign") return tellOfForeign(message.key);
    if (message.kind === "silent") return declareBucket();
    if (message.kind === "crashed") return crash(message.reason);
    const entry = entries.get(message.id);
    if (entry === undefined) return;
    if (message.kind === "lost") return entry.lose(message.reason);
    if (message.kind !== "granted") entries.delete(message.id);
    if (message.kind === "dropped") return entry.dropped();
    if (message.kind === "held") lines.noteRefused(entry.key, entry.waiter);
    entry.answer(message);
  });

  async function takeOnce({ lock, limit }: TallyWanted, request: TallyRequest): Promise<Turn | undefined> {
    const { key } = lock;
    const { taskId, untilMs, waiter } = request;
    const mode = modeOf(lock);
    const state = new LeaseState(ttlMs);
    state.renewUntil(asSharedMs(untilMs));
    const id = ++lastId;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    const entry: Entry = { key, waiter, answer: resolve, lose() {}, dropped() {} };
    entries.set(id, entry);
    const holder = randomUUID();
    const since = new Date().toISOString();
    const others = lines.others(key, mode);
    books.post({
      kind: "ask",
      want: { id, key, mode, limit, holder, worker, taskId, since, ttlMs, others, shared: state.shared },
    });
    const answer = await promise;
    if (answer.kind === "unknown") throw new LockUnknownError(key, new Error(answer.reason));
    if (answer.kind === "held") return undefined;
    const lease = openTallyLease({ id, lock, limit, state, books, granted: answer });
    entry.lose = lease.lose;
    entry.dropped = lease.dropped;
    return lease.turn;
  }

  return {
    async take(wanted, request) {
      for (let raises = 0; raises < MAX_RAISES; raises++) {
        const turn = await takeOnce(wanted, request);
        const isRaised = wanted.limit !== undefined || turn === undefined || turn.fencingToken >= LOWEST_TOKEN;
        if (isRaised) return turn;
        // No lock in a bucket that was not raised counts as taken.
        await turn.release();
        await raise();
      }
      return undefined;
    },
  };
}
