import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { isStillForbidden } from "../broker/inspect_rights.ts";
import { PublishUnknownError } from "../broker/publish_surely.ts";
import { ForbiddenError } from "../connection/forbidden.ts";
import { isDispensable } from "../connection/permission_watch.ts";
import type { Ledger } from "../definition/ledger.ts";
import { StorageLimitError } from "../streams/storage_errors.ts";

/** First time between two looks while something is wrong, ms. It doubles up to the next constant. */
const LOOK_MS = 500;
/** Longest time between two looks while something is wrong, ms. */
const LOOK_MAX_MS = 3_000;
/** Number of runs in a row that a database which looks sound refuses before the worker rests. */
const MAX_REFUSED = 3;
/** First such rest, ms. It doubles up to the next constant. */
const REST_MS = 1_000;
/** Longest such rest, ms. */
const REST_MAX_MS = 10_000;
/** Longest chain of causes that is followed. */
const MAX_CAUSES = 10;

/** How a run failed. */
export interface Failure {
  readonly error: unknown;
  /** Whether the database reported a missing table or right, even if `execute` has swallowed that error. */
  readonly isDoubtful: boolean;
  /** When the run began, by `performance.now()`. */
  readonly startedAtMs: number;
}

/** What is wrong, and how to see that it is repaired. */
interface Fault {
  readonly text: string;
  /** How it is reported. An alarm is for what an operator must repair. */
  readonly told: "alarm" | "note" | "untold";
  /** Returns what is wrong now; undefined: nothing. */
  look(): Promise<string | undefined>;
}

interface EnvironmentOptions {
  readonly broker: Pick<Broker, "observer" | "requests">;
  readonly ledger: Pick<Ledger<unknown>, "classify" | "check"> | undefined;
  /** Called when something goes wrong, and when nothing is wrong any more. */
  onChange(): void;
}

/** An error and its causes, outermost first. */
function* causesOf(error: unknown): Generator<unknown> {
  let link = error;
  for (let depth = 0; link !== undefined && depth < MAX_CAUSES; depth++) {
    yield link;
    link = link instanceof Error ? link.cause : undefined;
  }
}

function forbiddenIn(error: unknown): ForbiddenError | undefined {
  for (const link of causesOf(error)) {
    if (link instanceof ForbiddenError && !isDispensable(link.operation, link.subject)) return link;
  }
  return undefined;
}

/** Whether NATS had no room or did not answer. The worker still takes tasks then, since running them makes room. */
function isUnstored(error: unknown): boolean {
  for (const link of causesOf(error)) {
    if (link instanceof StorageLimitError || link instanceof PublishUnknownError) return true;
  }
  return false;
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Tells whether a failure is a task's own fault or that of the servers that it needs (PROTOCOL 2.7).
 *
 * States:
 *   sound  Nothing is known to be wrong.
 *   amiss  A server does not do what tasks need, and `problem` says why. The worker begins nothing.
 *
 * Transitions:
 *   sound -> amiss  a failure or an abandoned run shows it, or makes this look at the database, whose check then fails
 *   amiss -> sound  a look finds nothing wrong
 */
export class Environment {
  readonly #options: EnvironmentOptions;
  readonly #ended = new AbortController();
  #problem: string | undefined;
  /** Since when nothing is wrong, by `performance.now()`. A run that began earlier may have failed by what was wrong. */
  #soundSinceMs = Number.NEGATIVE_INFINITY;
  /** The look under way. */
  #looking: Promise<void> | undefined;
  /** The look that begins after it. */
  #next: Promise<void> | undefined;
  /** Number of runs in a row that the database refused although it looks sound. */
  #refused = 0;
  #restMs = REST_MS;

  constructor(options: EnvironmentOptions) {
    this.#options = options;
  }

  /** What is wrong, so that nothing may begin; undefined: nothing is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether a failure is not the task's fault, so that no attempt is used up. Looks at the database where it cannot know. Never throws. */
  async isToBlame({ error, isDoubtful, startedAtMs }: Failure): Promise<boolean> {
    if (this.#problem !== undefined || isUnstored(error)) return true;
    const forbidden = forbiddenIn(error);
    if (forbidden !== undefined) {
      this.#miss(forbidden);
      return true;
    }
    if (!isDoubtful) return false;
    await this.#look();
    return this.#problem !== undefined || startedAtMs < this.#soundSinceMs;
  }

  /** A run was abandoned. Looks whether it lacked something that other runs will lack too. */
  noteAbandoned(cause: unknown): void {
    if (this.#problem !== undefined) return;
    const forbidden = forbiddenIn(cause);
    if (forbidden !== undefined) this.#miss(forbidden);
    const meaning = forbidden === undefined ? this.#options.ledger?.classify(cause) : undefined;
    if (meaning !== "gone" && meaning !== "doubtful") return;
    void this.#look().then(() => {
      if (meaning === "gone" && this.#problem === undefined) this.#noteRefused(cause);
    });
  }

  /** An outcome was recorded, so the database does not refuse work. */
  noteRecorded(): void {
    if (this.#refused === 0) return;
    this.#refused = 0;
    this.#restMs = REST_MS;
  }

  /** Stops looking. */
  close(): void {
    this.#ended.abort();
  }

  /** Resolves after a look that begins after this call. An earlier look says nothing about a failure that came later. */
  #look(): Promise<void> {
    if (this.#looking === undefined) {
      this.#looking = this.#lookOnce().finally(() => {
        this.#looking = undefined;
      });
      return this.#looking;
    }
    this.#next ??= this.#looking.then(() => {
      this.#next = undefined;
      return this.#look();
    });
    return this.#next;
  }

  async #lookOnce(): Promise<void> {
    const { ledger } = this.#options;
    if (ledger?.check === undefined) return;
    const look = () => this.#lookAtDatabase();
    try {
      await ledger.check();
    } catch (error) {
      // A lost connection to the server comes back without an operator.
      this.#fail({ text: describe(error), told: ledger.classify(error) === "gone" ? "note" : "alarm", look });
    }
  }

  async #lookAtDatabase(): Promise<string | undefined> {
    try {
      await this.#options.ledger?.check?.();
      return undefined;
    } catch (error) {
      return describe(error);
    }
  }

  #miss(forbidden: ForbiddenError): void {
    const { broker } = this.#options;
    const look = async () => ((await isStillForbidden(broker, forbidden)) ? forbidden.message : undefined);
    // The watch of permissions has reported it.
    this.#fail({ text: forbidden.message, told: "untold", look });
  }

  /** The database looks sound and still refuses work, for example since its disk is full. Each further time the rest is longer. */
  #noteRefused(cause: unknown): void {
    this.#refused++;
    if (this.#refused % MAX_REFUSED !== 0) return;
    const untilMs = performance.now() + this.#restMs;
    this.#restMs = Math.min(2 * this.#restMs, REST_MAX_MS);
    const text = describe(cause);
    const told = this.#refused === MAX_REFUSED ? "alarm" : "untold";
    this.#fail({ text, told, look: async () => (performance.now() < untilMs ? text : undefined) });
  }

  #fail(fault: Fault): void {
    if (this.#problem !== undefined || this.#ended.signal.aborted) return;
    const { observer } = this.#options.broker;
    this.#problem = fault.text;
    const text = `Takes no tasks until it is mended: ${fault.text}`;
    if (fault.told === "alarm") observer.alarm(text);
    if (fault.told === "note") observer.note(text);
    this.#options.onChange();
    void this.#followUntilMended(fault);
  }

  async #followUntilMended({ told, look }: Fault): Promise<void> {
    const { signal } = this.#ended;
    for (let restMs = LOOK_MS; ; restMs = Math.min(2 * restMs, LOOK_MAX_MS)) {
      // Only our own abort makes the pause reject.
      await pause(restMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      const text = await look();
      if (text === undefined) break;
      this.#problem = text;
    }
    this.#problem = undefined;
    this.#soundSinceMs = performance.now();
    if (told !== "untold") this.#options.broker.observer.note("Takes tasks again");
    this.#options.onChange();
  }
}
