import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";

/** Folder of the patches, relative to the workspace. */
export const MUTANTS_FOLDER = "tests/mutants";

/** Tests that must catch a mutant. */
export interface Catcher {
  /** The test file, relative to the workspace. */
  readonly file: string;
  /** Titles as ava's `--match` takes them, with `*`; undefined: all of the file. */
  readonly match: string | undefined;
}

/** One defect of the product, kept as a patch, and the tests that must fail with it. */
export interface Mutant {
  /** The patch's file name without `.patch`. */
  readonly name: string;
  /** The patch's path, relative to the workspace. */
  readonly path: string;
  /** What is wrong, in one sentence. */
  readonly defect: string;
  /** What a user loses by it: a promise, an invariant or a rule. */
  readonly breaks: string;
  readonly catchers: readonly Catcher[];
}

/** A patch whose head cannot be read. */
export class MutantError extends Error {
  override readonly name = "MutantError";
}

const SEPARATOR = " › ";

function readCatcher(text: string): Catcher {
  const [file = "", match] = text.split(SEPARATOR, 2);
  return { file: file.trim(), match: match?.trim() };
}

/**
 * Reads the lines `Defect:`, `Breaks:` and `Caught by:` (one or more) that stand before the first `diff --git` of a patch.
 *
 * Throws {@linkcode MutantError} where one is missing.
 */
export function parseMutant(path: string, patch: string): Mutant {
  const [head = ""] = patch.split(/^diff --git /m, 1);
  const fields = [...head.matchAll(/^(Defect|Breaks|Caught by): (.+)$/gm)];
  const all = (name: string) => fields.filter(([, field]) => field === name).map(([, , value = ""]) => value.trim());
  const [defect] = all("Defect");
  const [breaks] = all("Breaks");
  const catchers = all("Caught by").map(readCatcher);
  if (head === patch) throw new MutantError(`Cannot read ${path}: it holds no "diff --git"; write a patch`);
  if (defect === undefined || breaks === undefined || catchers.length === 0) {
    throw new MutantError(
      `Cannot read ${path}: it needs the lines "Defect:", "Breaks:" and "Caught by:" before the patch; add what is missing`,
    );
  }
  return { name: basename(path, ".patch"), path, defect, breaks, catchers };
}

/** All mutants of the workspace, by name. Throws {@linkcode MutantError}. */
export async function readMutants(root: string): Promise<readonly Mutant[]> {
  const names = (await readdir(join(root, MUTANTS_FOLDER))).filter((name) => name.endsWith(".patch")).sort();
  return Promise.all(
    names.map(async (name) => {
      const path = join(MUTANTS_FOLDER, name);
      return parseMutant(path, await readFile(join(root, path), "utf8"));
    }),
  );
}
