import { CancelledError } from "../cancel/cancellation.ts";
import { PayloadRefusedError } from "../definition/payload.ts";
import { NeverRetry, RetryTask } from "../definition/retry.ts";
import { InvalidNameError } from "../format/names.ts";
import { LeaseLostError } from "../lease/lease.ts";
import { DrainedError, TaskTimeoutError, VoRemovedError } from "../run/attempt.ts";

/** Longest chain of causes that crosses. */
const MAX_CAUSES = 10;
/** Greatest number of an error's own fields that cross. */
const MAX_FIELDS = 32;

/** An error on its way between two threads: all of it but its class. */
export interface CrossedError {
  readonly kind: "error";
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** Its own fields that can be copied, such as `code`. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly cause: Crossed | undefined;
}

/** A value that was thrown, on its way between two threads. */
export type Crossed = CrossedError | { readonly kind: "value"; readonly value: unknown };

/** The classes that an error has again on the other side, by name. All others arrive as `Error`. */
const CLASSES: ReadonlyMap<string, { readonly prototype: Error }> = new Map(
  [
    ...[RetryTask, NeverRetry, TaskTimeoutError, CancelledError, DrainedError, VoRemovedError, LeaseLostError],
    ...[PayloadRefusedError, InvalidNameError],
    ...[TypeError, RangeError, SyntaxError, ReferenceError, URIError, EvalError],
  ].map((known) => [known.name, known]),
);

/** A copy of what can be copied to another thread; undefined: it cannot. */
function copyOf(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return undefined; // a function, a socket, something that refers to one
  }
}

function fieldsOf(error: Error): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const name of Object.keys(error).slice(0, MAX_FIELDS)) {
    if (name === "name" || name === "cause") continue;
    const value = copyOf(Reflect.get(error, name));
    if (value !== undefined) fields[name] = value;
  }
  return fields;
}

/** What crosses of a value that was thrown. Never throws. */
export function cross(thrown: unknown, depth = 0): Crossed {
  if (!(thrown instanceof Error)) {
    const value = copyOf(thrown);
    return { kind: "value", value: value === undefined && thrown !== undefined ? String(thrown) : value };
  }
  const { name, message, stack, cause } = thrown;
  const follows = cause !== undefined && depth < MAX_CAUSES;
  return {
    kind: "error",
    ...{ name: String(name), message: String(message), stack, fields: fieldsOf(thrown) },
    cause: follows ? cross(cause, depth + 1) : undefined,
  };
}

/** The value on the other side. An error has its name, message, stack, causes and fields, and the class if it is one of {@linkcode CLASSES}. */
export function arrive(crossed: Crossed): unknown {
  if (crossed.kind === "value") return crossed.value;
  const { name, message, stack, fields, cause } = crossed;
  const error = new Error(message, cause === undefined ? undefined : { cause: arrive(cause) });
  const known = CLASSES.get(name);
  if (known !== undefined) Object.setPrototypeOf(error, known.prototype);
  Object.assign(error, fields);
  // Errors of our own have their name as a field of their own.
  if (error.name !== name) Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** What crosses of the fields of a line. Never throws. */
export function crossAll(fields: object): Record<string, Crossed> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, cross(value)]));
}

/** The fields of a line on the other side. */
export function arriveAll(fields: Readonly<Record<string, Crossed>>): object {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, arrive(value)]));
}
