import { escapeKey } from "../format/token.ts";

/** A lock that a task must hold while it runs. */
export interface Lock {
  readonly kind: "mutex";
  /** `<lock type>.<key>`, escaped as KV needs it, e.g. `my_pilot.ce01.example.org`. */
  readonly key: string;
}

/** A kind of lock, registered once by its name, so that two parts of a grid never share keys by accident. */
export interface LockType {
  readonly name: string;
  /** A lock with one holder at a time for `key`, which is any text but the empty one. Throws `TypeError`. */
  mutex(key: string): Lock;
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

/**
 * Registers the lock type `name`: lower-case letters, digits and `_`, 64 characters at most.
 *
 * Throws {@linkcode LockTypeTakenError} at a second registration of the name, and `TypeError` for a bad name.
 *
 * ```ts
 * const myPilotLock = defineLockType("my_pilot");
 * myPilotLock.mutex("ce01.example.org").key; // "my_pilot.ce01.example.org"
 * ```
 */
export function defineLockType(name: string): LockType {
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) {
    throw new TypeError(
      `Cannot register lock type ${JSON.stringify(name)}: a name is lower-case letters, digits and _, at most 64`,
    );
  }
  const firstAt = registered.get(name);
  if (firstAt !== undefined) throw new LockTypeTakenError(name, firstAt);
  registered.set(name, callerOf(new Error().stack));
  return {
    name,
    mutex(key) {
      if (key === "")
        throw new TypeError(`Cannot name a lock of type "${name}": its key is empty; give what it protects`);
      return { kind: "mutex", key: `${name}.${escapeKey(key)}` };
    },
  };
}

/** The names of all lock types registered in this process. */
export function lockTypeNames(): readonly string[] {
  return [...registered.keys()];
}
