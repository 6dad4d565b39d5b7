import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Import, Source, Violation } from "./source.ts";

const LIBS = ["libs/tasks", "libs/ledger", "libs/logic", "libs/pilot-tasks", "libs/service", "libs/app"] as const;

/** Which package each package may use. An app may use every lib, and no other app. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  "libs/tasks": [],
  "libs/ledger": [],
  "libs/service": [],
  "libs/logic": ["libs/ledger"],
  "libs/pilot-tasks": ["libs/tasks", "libs/logic", "libs/app"],
  "libs/app": ["libs/service", "libs/tasks", "libs/ledger"],
  "infra/bundle": [],
  "infra/local": [],
  "infra/reference": [],
};
const ARROWS_OF_AN_APP: readonly string[] = [...LIBS, "infra/local"];
/** Whoever tests with real servers starts them through these, and opens the database as an app does. */
const ARROWS_OF_TESTS: readonly string[] = ["infra/local", "libs/ledger"];

/** Packages of which another one may use the types alone. */
const TYPES_ALONE: Readonly<Record<string, string>> = { "libs/logic": "libs/ledger" };

/** What a package must not know, and why. */
const FOREIGN: Readonly<Record<string, { readonly pattern: RegExp; readonly why: string }>> = {
  "libs/tasks": { pattern: /^(pg|kysely|@mikro-orm\/.*)$/, why: "tasks knows NATS and no SQL" },
  "libs/ledger": { pattern: /^(nats|@nats-io\/.*)$/, why: "ledger knows SQL and no NATS" },
  "libs/logic": { pattern: /^(nats|@nats-io\/.*)$/, why: "logic knows SQL and no NATS" },
  "libs/app": {
    pattern: /^(pg|kysely|@mikro-orm\/.*|nats|@nats-io\/.*)$/,
    why: "app only joins service, tasks and ledger",
  },
  "libs/pilot-tasks": {
    pattern: /^(pg|kysely|@mikro-orm\/.*|nats|@nats-io\/.*)$/,
    why: "pilot-tasks only joins tasks and logic into an extension of app",
  },
};

/** The folder of each package by its name, e.g. `@muster/tasks` -> `libs/tasks`. */
export type PackageFolders = ReadonlyMap<string, string>;

function mayUse(unit: string, target: string, purpose: Source["purpose"]): boolean {
  if (unit === target || unit === "tests") return true;
  if (purpose === "test" && ARROWS_OF_TESTS.includes(target)) return unit !== "libs/tasks" || target !== "libs/ledger";
  return (unit.startsWith("apps/") ? ARROWS_OF_AN_APP : (ARROWS[unit] ?? [])).includes(target);
}

/** `@scope/name` or `name` of an import of a package; undefined for a relative path. */
function packageOf(specifier: string): string | undefined {
  if (specifier.startsWith(".")) return undefined;
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

/** Whether a statement brings in types and no values. */
function isOfTypes({ text }: Source, line: number): boolean {
  return /^(?:import|export) type /.test(text.split("\n")[line - 1] ?? "");
}

/** What is wrong with one import, or undefined. */
function judge(source: Source, { specifier, line }: Import, folders: PackageFolders): string | undefined {
  const { unit, purpose, path } = source;
  const name = packageOf(specifier);
  if (name === undefined) {
    const reached = join(path, "..", specifier);
    if (!reached.startsWith(`${unit}/`)) return `${specifier} leaves the package; import the other one by its name`;
    const isOwnFace = reached === `${unit}/src/mod.ts` && purpose === "product";
    return isOwnFace ? "a library's own files import each other, not its face mod.ts" : undefined;
  }
  const foreign = FOREIGN[unit];
  if (purpose === "product" && foreign?.pattern.test(name)) return `${name} has no place here: ${foreign.why}`;
  const target = folders.get(name);
  if (purpose === "product" && target !== undefined && TYPES_ALONE[unit] === target && !isOfTypes(source, line))
    return `${unit} uses the types of ${target} alone`;
  if (target === undefined || mayUse(unit, target, purpose)) return undefined;
  return `no arrow runs from ${unit} to ${target}`;
}

/** Imports that run against the arrows between the packages. */
export function findWrongArrows(sources: readonly Source[], folders: PackageFolders): Violation[] {
  return sources.flatMap((source) =>
    source.imports.flatMap((imported) => {
      const message = judge(source, imported, folders);
      return message === undefined ? [] : [{ path: source.path, line: imported.line, message }];
    }),
  );
}

/** The packages of the workspace that hold sources. */
export async function readPackageFolders(root: string, sources: readonly Source[]): Promise<PackageFolders> {
  const units = [...new Set(sources.map(({ unit }) => unit))];
  const named = units.map(async (unit): Promise<[string, string]> => {
    const { name } = JSON.parse(await readFile(join(root, unit, "package.json"), "utf8"));
    return [String(name), unit];
  });
  return new Map(await Promise.all(named));
}
