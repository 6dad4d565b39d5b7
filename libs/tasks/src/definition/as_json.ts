import type { Json } from "./json.ts";

type Plain = string | number | boolean | null;

/** What says itself how it is written. */
interface WrittenAs<Written> {
  toJSON(): Written;
}

/** What has a result. */
interface Returning<Returned> {
  execute(run: never): Returned;
}

/**
 * A value as JSON keeps it, for the types of results. A `Date` becomes a string, and what returns nothing becomes `null`. A result of unknown
 * type is any JSON.
 */
export type AsJson<Value> = unknown extends Value
  ? Json
  : Value extends Plain
    ? Value
    : undefined extends Value
      ? null
      : Value extends WrittenAs<infer Written>
        ? AsJson<Written>
        : Value extends (...input: never[]) => unknown
          ? null
          : Value extends readonly unknown[]
            ? { readonly [Index in keyof Value]: AsJson<Value[Index]> }
            : Value extends object
              ? { readonly [Key in keyof Value & string]: AsJsonField<Value[Key]> }
              : never;

/** A field of an object: one that is undefined is left out. */
type AsJsonField<Value> = undefined extends Value ? AsJson<Exclude<Value, undefined>> | undefined : AsJson<Value>;

/** What a task of this type returns, as JSON keeps it. Any JSON where its code is not known here. */
export type ResultOf<Task> = Task extends Returning<infer Returned> ? AsJson<Awaited<Returned>> : Json;
