import { exponentialBackoff, type RetryPolicy } from "./retry.ts";

/** Further properties of a task. Each has a default. */
export interface TaskTraits {
  /** `"vo"`: one task belongs to one VO. Default `"all"`: its subject ends in `_`. */
  readonly per: "vo" | "all";
  /**
   * Default 1. Raise it with a change of the payload that older workers cannot read. A task of a higher version waits for a worker that
   * knows it; otherwise an older worker would refuse it. `migrate` makes older payloads newer.
   */
  readonly payloadVersion: number;
  /** Strict order: realtime before normal before background. Default `normal`. */
  readonly priority: "realtime" | "normal" | "background";
  /**
   * What a run costs a worker. Default `small`: it shares the event loop of its process. A `medium` or `large` one has a thread of its own, where
   * the worker has threads, so that it may use a processor for long. There its `deps` are made in that thread, and only JSON crosses.
   */
  readonly size: "small" | "medium" | "large";
  /** Default `exponentialBackoff()`: five retries, then a dead letter. */
  readonly retry: RetryPolicy;
  /** Longest run, ms; default by size: 1 minute, 10 minutes, 1 hour. Where no size is given it is 10 minutes. */
  readonly timeoutMs: number;
  /** Longest wait for a lock, ms; default 10 minutes. A longer wait fails the attempt. */
  readonly lockWaitMs: number;
}

// Taken from the fields, so that the type checker shows the words themselves where one is misspelt.
/** Whether each task belongs to one VO. */
export type Per = TaskTraits["per"];
/** What starts first: `realtime` before `normal` before `background`, strictly. */
export type Priority = TaskTraits["priority"];
/** What a run costs a worker. */
export type Size = TaskTraits["size"];

/** In the order of their rank. */
export const PRIORITIES: readonly Priority[] = ["realtime", "normal", "background"];

/** Longest run by size, ms, unless the definition says otherwise. */
export const TIMEOUT_MS: Readonly<Record<Size, number>> = { small: 60_000, medium: 600_000, large: 3_600_000 };

/** Longest run of a task whose definition states neither size nor timeout, ms. */
const UNSIZED_TIMEOUT_MS = 600_000;

/** The words that a trait may be. */
const WORDS: { readonly [Trait in "per" | "priority" | "size"]: readonly TaskTraits[Trait][] } = {
  per: ["vo", "all"],
  priority: PRIORITIES,
  size: ["small", "medium", "large"],
};

/** Throws where a trait is none of its words. A type checker has said so before, where there was one. */
function checkWords(task: string, given: Pick<TaskTraits, keyof typeof WORDS>): void {
  for (const [trait, words] of Object.entries(WORDS)) {
    const value = Reflect.get(given, trait);
    if (words.some((word) => word === value)) continue;
    const allowed = words.map((word) => JSON.stringify(word)).join(", ");
    throw new RangeError(`Cannot define ${task}: ${trait} is ${JSON.stringify(value)}; give one of ${allowed}`);
  }
}

/** The traits of a task, each with its default where the author gave none. Throws `RangeError` for one that cannot be. */
export function traitsOf(spec: Partial<TaskTraits> & { readonly name: string }): TaskTraits {
  const { name, per = "all", payloadVersion = 1, priority = "normal", size = "small" } = spec;
  checkWords(name, { per, priority, size });
  const {
    retry = exponentialBackoff(),
    timeoutMs = spec.size === undefined ? UNSIZED_TIMEOUT_MS : TIMEOUT_MS[size],
    lockWaitMs = 600_000,
  } = spec;
  if (!(timeoutMs >= 1 && timeoutMs <= 86_400_000)) {
    throw new RangeError(`Cannot define ${name}: timeoutMs is ${timeoutMs}; give 1 to 86,400,000`);
  }
  if (!(lockWaitMs >= 0)) throw new RangeError(`Cannot define ${name}: lockWaitMs is ${lockWaitMs}; give 0 or more`);
  if (!(Number.isSafeInteger(payloadVersion) && payloadVersion >= 1)) {
    throw new RangeError(`Cannot define ${name}: payloadVersion is ${payloadVersion}; give a whole number from 1`);
  }
  return { per, payloadVersion, priority, size, retry, timeoutMs, lockWaitMs };
}
