import { escapeKey } from "../format/token.ts";
import { checkConcurrency, parseRate, type Rate } from "./limit_text.ts";

/** A lock with one holder at a time. */
export interface MutexLock {
  readonly kind: "mutex";
  /** `<lock type>.<key>`, escaped as KV needs it, e.g. `my_pilot.ce01.example.org`. */
  readonly key: string;
}

/** One side of a read-write lock: many hold it as `shared`, or one as `exclusive`. */
export interface ReadWriteLock {
  readonly kind: "exclusive" | "shared";
  /** `_rw.<lock type>.<key>`. */
  readonly key: string;
}

/** A limit of how many tasks begin within a time. */
export interface RateLimit {
  readonly kind: "rate";
  /** `_rate.<lock type>.<key>`. */
  readonly key: string;
  /** The limit where the configuration names none; undefined: unlimited then. */
  readonly rate: Rate | undefined;
}

/** A limit of how many tasks run at the same time. */
export interface ConcurrencyLimit {
  readonly kind: "concurrency";
  /** `_concurrency.<lock type>.<key>`. */
  readonly key: string;
  /** The limit where the configuration names none; undefined: unlimited then. */
  readonly concurrency: number | undefined;
}

/** A limiter: it protects nothing from two writers, so it has no fence, and calls by hand pass it. */
export type Limiter = RateLimit | ConcurrencyLimit;

/** A lock that a task must hold, or a limit that it must pass, to run. */
export type Lock = MutexLock | ReadWriteLock | Limiter;

/** A kind of lock, registered once by its name, so that two parts of a grid never share keys by accident. */
export interface LockType {
  readonly name: string;
  /** A lock with one holder at a time for `key`, which is any text but the empty one. Throws `TypeError`, as all of these do. */
  mutex(key: string): MutexLock;
  /** The read-write lock of `key` for one writer. It has nothing to do with the mutex of the same key. */
  exclusive(key: string): ReadWriteLock;
  /** The same read-write lock for one of many readers. Readers that come after a writer began to wait, wait behind it. */
  shared(key: string): ReadWriteLock;
  /**
   * A limit of the tasks that begin, such as `100/1m`: no more than 100 within any minute. `limits` of the configuration overrides it.
   * Without one, only the configuration limits. Throws `InvalidLimitError`.
   */
  rate(key: string, rate?: string): RateLimit;
  /**
   * A limit of the tasks that run at the same time. `limits` of the configuration overrides it. Without one, only the configuration
   * limits. Throws `InvalidLimitError`.
   */
  concurrency(key: string, count?: number): ConcurrencyLimit;
}

/** Two lock types would share their keys. */
export class LockTypeTakenError extends Error {
  override readonly name = "LockTypeTakenError";
  readonly lockType: string;
  /** The line of code that registered it first. */
  readonly firstAt: string;
  constructor(lockType: string, firstAt: string) {
    super(
      `Cannot register lock type "${lockType}": it was registered ${firstAt}; use that one, or choose another name`,
    );
    this.lockType = lockType;
    this.firstAt = firstAt;
  }
}

const registered = new Map<string, string>();

/** The line outside this file that called us, for the error of a second registration. */
function callerOf(stack: string | undefined): string {
  const line = (stack ?? "").split("\n").find((text, index) => index > 0 && !text.includes(import.meta.url));
  return line?.trim() ?? "earlier";
}

/** The names that a lock type may have. Muster's own begin with `_`, so that no type of an extension shares keys with them. */
export const LOCK_TYPE_NAME = /^[a-z][a-z0-9_]{0,63}$/;

/**
 * Registers the lock type `name`: lower-case letters, digits and `_`, 64 characters at most.
 *
 * Throws {@linkcode LockTypeTakenError} at a second registration of the name, and `TypeError` for a bad name.
 *
 * ```ts
 * const myPilotLock = defineLockType("my_pilot");
 * myPilotLock.mutex("ce01.example.org").key; // "my_pilot.ce01.example.org"
 * myPilotLock.rate("ce01.example.org", "100/1m").key; // "_rate.my_pilot.ce01.example.org"
 * ```
 */
export function defineLockType(name: string): LockType {
  if (!LOCK_TYPE_NAME.test(name)) {
    throw new TypeError(
      `Cannot register lock type ${JSON.stringify(name)}: a name is lower-case letters, digits and _, at most 64`,
    );
  }
  const firstAt = registered.get(name);
  if (firstAt !== undefined) throw new LockTypeTakenError(name, firstAt);
  registered.set(name, callerOf(new Error().stack));
  const named = (key: string) => {
    if (key === "")
      throw new TypeError(`Cannot name a lock of type "${name}": its key is empty; give what it protects`);
    return `${name}.${escapeKey(key)}`;
  };
  return {
    name,
    mutex: (key) => ({ kind: "mutex", key: named(key) }),
    exclusive: (key) => ({ kind: "exclusive", key: `_rw.${named(key)}` }),
    shared: (key) => ({ kind: "shared", key: `_rw.${named(key)}` }),
    rate: (key, rate) => ({
      kind: "rate",
      key: `_rate.${named(key)}`,
      rate: rate === undefined ? undefined : parseRate(rate),
    }),
    concurrency: (key, count) => ({
      kind: "concurrency",
      key: `_concurrency.${named(key)}`,
      concurrency: count === undefined ? undefined : checkConcurrency(count),
    }),
  };
}

/** The names of all lock types registered in this process. */
export function lockTypeNames(): readonly string[] {
  return [...registered.keys()];
}
