import type * as z from "zod";
import type { Sources } from "../read/sources.ts";

/** Who acts, on what. */
export interface Acting extends Pick<Sources, "broker" | "database" | "composition"> {
  /** The name that was stated at the sign-in. */
  readonly who: string;
}

/** What was done. */
export interface Deed {
  /** One sentence that the page shows to the person who acted. */
  readonly said: string;
  /** To what it was done, for the audit. */
  readonly target: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  /** Where to go from here; default: the page from which it was done. */
  readonly to?: string;
}

/** What may be changed from a page. */
export interface Action {
  /** As the audit has it, e.g. `queue.pause`. */
  readonly name: string;
  /** Does it. Throws what is wrong. */
  run(acting: Acting, fields: Fields): Promise<Deed>;
}

/** The fields of a form. A field that came several times has its values with commas between. */
export type Fields = Readonly<Record<string, string>>;

/** It cannot be done as it was asked for. Its text says why, and what to do. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
}

/** An action whose fields are checked by a schema. */
export function action<Schema extends z.ZodType>(
  name: string,
  schema: Schema,
  run: (acting: Acting, fields: z.output<Schema>) => Promise<Deed>,
): Action {
  return { name, run: async (acting, fields) => await run(acting, schema.parse(fields)) };
}
