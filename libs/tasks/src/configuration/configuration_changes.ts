import { isDeepStrictEqual } from "node:util";
import type { Configuration } from "./configuration.ts";
import { fileOf } from "./configuration_file.ts";
import type { Path } from "./unknown_fields.ts";

/** One difference between two configurations. */
export type ConfigurationChange =
  | { readonly kind: "vo added" | "vo removed"; readonly vo: string }
  /** A value as JSON has it; undefined: the field is not there. */
  | { readonly kind: "changed"; readonly path: Path; readonly before: unknown; readonly after: unknown };

type Leaves = Map<string, { readonly path: Path; readonly value: unknown }>;

/** All values that are no objects, by their paths. An empty object says nothing. */
function leavesOf(value: unknown, path: Path = [], into: Leaves = new Map()): Leaves {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    into.set(JSON.stringify(path), { path, value });
  else for (const [key, part] of Object.entries(value)) leavesOf(part, [...path, key], into);
  return into;
}

/**
 * The differences between two configurations: first the VOs that come and go, then the fields of VOs, then the others. Notes that Muster
 * keeps, such as tombstones, are left out.
 */
export function changesBetween(before: Configuration, after: Configuration): readonly ConfigurationChange[] {
  const [from, to] = [fileOf(before), fileOf(after)];
  const [vosFrom, vosTo] = [new Set(Object.keys(from.vos ?? {})), new Set(Object.keys(to.vos ?? {}))];
  const [leavesFrom, leavesTo] = [leavesOf(from), leavesOf(to)];
  const paths = new Map([...leavesFrom, ...leavesTo].map(([key, { path }]) => [key, path]));
  const rank = ([first]: Path) => (first === "vos" ? 0 : 1);
  const inOrder = [...paths].sort(([a, one], [b, other]) => rank(one) - rank(other) || (a < b ? -1 : 1));
  const isOfGone = ([first, vo = ""]: Path) => first === "vos" && !vosTo.has(vo);
  return [
    ...[...vosTo].filter((vo) => !vosFrom.has(vo)).map((vo) => ({ kind: "vo added", vo }) as const),
    ...[...vosFrom].filter((vo) => !vosTo.has(vo)).map((vo) => ({ kind: "vo removed", vo }) as const),
    ...inOrder.flatMap(([key, path]) => {
      const change = {
        kind: "changed",
        path,
        before: leavesFrom.get(key)?.value,
        after: leavesTo.get(key)?.value,
      } as const;
      return isOfGone(path) || isDeepStrictEqual(change.before, change.after) ? [] : [change];
    }),
  ];
}
