import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { isStillForbidden } from "../broker/inspect_rights.ts";
import { PublishUnknownError } from "../broker/publish_surely.ts";
import { ForbiddenError } from "../connection/forbidden.ts";
import { isDispensable } from "../connection/permission_watch.ts";
import type { Ledger } from "../definition/ledger.ts";
import { StorageLimitError } from "../streams/storage_errors.ts";

/** From one look to the next while something is amiss, ms: the first, and the longest. */
const LOOK_MS = 500;
const LOOK_MAX_MS = 3_000;
/** So many runs in a row that the database refused, though it looks well, make the worker rest. */
const MAX_REFUSED = 3;
/** How long it rests then, ms: the first time, and the longest. */
const REST_MS = 1_000;
const REST_MAX_MS = 10_000;
/** Longest chain of causes that is followed. */
const MAX_CAUSES = 10;

/** How a run failed. */
export interface Failure {
  readonly error: unknown;
  /** Whether the database told of a table or a right that is missing, also where `execute` has swallowed it. */
  readonly isDoubtful: boolean;
  /** When the run began, by `performance.now()`. */
  readonly startedAtMs: number;
}

/** What is amiss, and how to see that it is mended. */
interface Fault {
  readonly text: string;
  /** How loudly it is told: an alarm is for what an operator must mend. */
  readonly told: "alarm" | "note" | "untold";
  /** Returns what is amiss now; undefined: nothing is. */
  look(): Promise<string | undefined>;
}

interface EnvironmentOptions {
  readonly broker: Pick<Broker, "observer" | "requests">;
  readonly ledger: Pick<Ledger<unknown>, "classify" | "check"> | undefined;
  /** Something is amiss now, or nothing any more. */
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

/** Whether NATS had no room, or did not answer: taking on further tasks makes room, and so goes on. */
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
 * Tells whether a failure is a task's own or that of the servers that it needs (PROTOCOL 2.7).
 *
 * States: sound -> amiss, where a failure or an abandoned run made it look and the readiness check says why; amiss -> sound, as soon as a
 * look finds nothing. While something is amiss the worker begins nothing.
 */
export class Environment {
  readonly #options: EnvironmentOptions;
  readonly #ended = new AbortController();
  #problem: string | undefined;
  /** Since when nothing is amiss, by `performance.now()`. What began before may have met what was. */
  #soundSinceMs = Number.NEGATIVE_INFINITY;
  /** The look under way, and the one that begins after it. */
  #looking: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  /** Runs in a row that the database refused, though it looks well. */
  #refused = 0;
  #restMs = REST_MS;

  constructor(options: EnvironmentOptions) {
    this.#options = options;
  }

  /** What is amiss, so that nothing may begin; undefined: nothing. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Whether a failure is not the task's own: then no attempt is used up. Looks before it says so, where it cannot know. Never throws. */
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

  /** A run was abandoned: was it for want of something that others will want too? */
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

  /** An outcome was recorded: the database takes what it is given. */
  noteRecorded(): void {
    if (this.#refused === 0) return;
    this.#refused = 0;
    this.#restMs = REST_MS;
  }

  /** Looks no more. */
  close(): void {
    this.#ended.abort();
  }

  /** Resolves after a look that has begun after this call: what was seen before says nothing of a failure that came after it. */
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
      // A server that is away comes back by itself.
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
    // The watch of permissions has told it.
    this.#fail({ text: forbidden.message, told: "untold", look });
  }

  /** The database looks well and refuses work all the same, as where its disk is full. Each further time the rest is longer. */
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
      // Only our own abort rejects the pause.
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
