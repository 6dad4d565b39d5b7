import { enableCompileCache, getCompileCacheDir } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** The variable by which Node.js itself is told where to keep compiled code. */
const VARIABLE = "NODE_COMPILE_CACHE";

function cacheOfUser(): string | undefined {
  const { XDG_CACHE_HOME } = process.env;
  if (XDG_CACHE_HOME) return XDG_CACHE_HOME;
  try {
    return join(homedir(), ".cache");
  } catch {
    return undefined; // Node.js throws for a user id without a name
  }
}

/**
 * Lets Node.js keep compiled code in the user's own cache folder, unless `NODE_COMPILE_CACHE` names another. Never fails: where the folder
 * cannot be written, each start compiles anew.
 *
 * Node.js itself would take a folder that all users share. The user who makes that first could put code there for the others.
 */
export function keepCompiledCode(): void {
  const cache = cacheOfUser();
  if (!process.env[VARIABLE] && cache !== undefined) enableCompileCache(join(cache, "muster", "compiled"));
}

/** The variable for child processes, and for their threads, so that they use the same folder. Empty where none is used. */
export function compiledCodeForChildren(): Readonly<Record<string, string>> {
  const folder = getCompileCacheDir();
  // Node.js adds a folder of its version and the user's id.
  return folder === undefined || process.env[VARIABLE] ? {} : { [VARIABLE]: dirname(folder) };
}
