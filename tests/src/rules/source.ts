import { glob, readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";

/** One import of a source file: what it names, and the line it stands on, 1 first. */
export interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** A TypeScript file of the workspace. Paths are relative to the workspace, with slashes. */
export interface Source {
  /** E.g. `libs/tasks/src/format/subject.ts`. */
  readonly path: string;
  /** The folder of its package, e.g. `libs/tasks`. */
  readonly unit: string;
  /** Its folder below the package's `src`, e.g. `wire`; empty for a file in `src` itself. */
  readonly folder: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** Whether it is run or used by tests alone, and so may use what tests need. */
  readonly purpose: "product" | "test";
}

/** A place where a rule is broken. */
export interface Violation {
  readonly path: string;
  readonly line?: number;
  readonly message: string;
}

const IMPORT = /^[ \t]*(?:import|export)\s(?:[^;"']*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** The line, 1 first, of an index in a text. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

/** What a source text imports, type imports included. */
export function findImports(text: string): Import[] {
  return [...text.matchAll(IMPORT)].map((match) => ({
    specifier: match[1] ?? match[2] ?? "",
    line: lineAt(text, match.index),
  }));
}

/** Kits for the tests of others. Their packages have them, so they are part of the product. */
const KITS: readonly string[] = ["libs/tasks/src/testing/", "libs/app/src/testing/"];

/** A source from its path and text. */
export function parseSource(path: string, text: string): Source {
  const [unit = ""] = path.split(/\/(?:src|bench)\//);
  const folder = relative(join(unit, "src"), dirname(path));
  const isOfTests = folder.split("/").includes("testing") && !KITS.some((kit) => path.startsWith(kit));
  const isTest = unit === "tests" || path.endsWith("_test.ts") || isOfTests;
  return { path, unit, folder, text, imports: findImports(text), purpose: isTest ? "test" : "product" };
}

/** Every TypeScript file of the workspace, in the order of their paths. */
export async function readSources(root: string): Promise<Source[]> {
  const paths: string[] = [];
  for await (const path of glob(["{apps,libs}/*/src/**/*.ts", "infra/*/src/**/*.ts", "tests/{src,bench}/**/*.ts"], {
    cwd: root,
    exclude: ["**/node_modules"],
  })) {
    paths.push(path);
  }
  return await Promise.all(
    paths.sort().map(async (path) => parseSource(path, await readFile(join(root, path), "utf8"))),
  );
}
