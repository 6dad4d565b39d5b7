import type * as z from "zod";
import type { Reads } from "../read/reads.ts";

/** One address of the read API. */
export interface Route {
  /** As OpenAPI has it: `/api/tasks/{id}`. */
  readonly path: string;
  readonly summary: string;
  /** Parameters of the path and of the query; each is a text when it comes. */
  readonly parameters: z.ZodObject;
  /** Names of the parameters that stand in the path. */
  readonly inPath: readonly string[];
  readonly response: z.ZodType;
  /** Reads what is asked for; undefined: there is none. */
  read(reads: Reads, parameters: Readonly<Record<string, unknown>>): Promise<unknown>;
}

/** A route whose parameters have types inside and none outside, so that all routes fit into one list. */
export function route<Parameters extends z.ZodObject>(
  given: Omit<Route, "parameters" | "read" | "inPath"> & {
    readonly parameters: Parameters;
    read(reads: Reads, parameters: z.output<Parameters>): Promise<unknown>;
  },
): Route {
  const inPath = [...given.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  return { ...given, inPath, read: (reads, parameters) => given.read(reads, given.parameters.parse(parameters)) };
}
