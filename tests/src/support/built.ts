import { join } from "node:path";
import { pathToFileURL } from "node:url";

const ROOT = join(import.meta.dirname, "..", "..", "..");

/** Variable by which the gate says that it has just made the bundle, from the sources as they are. */
export const BUNDLE_VARIABLE = "MUSTER_TEST_BUNDLE";

/**
 * The file by which a test starts an app or the command line. In `npm test` that is the bundle, as in production: it needs half the CPU. A
 * test file that runs by itself starts the source, which is never old. So does one that asks which modules are loaded.
 */
export function mainFile(app: string, form: "built" | "source" = "built"): string {
  return appFile(app, "main", form);
}

/** Another file of an app, without `.ts`, that a process may begin with. */
export function appFile(app: string, name: string, form: "built" | "source" = "built"): string {
  const bundle = process.env[BUNDLE_VARIABLE];
  return bundle && form === "built"
    ? join(bundle, "apps", app, "dist", `${name}.js`)
    : join(ROOT, "apps", app, "src", `${name}.ts`);
}

/**
 * Arguments of Node.js with which a test's own program runs our libraries from the bundle, where there is one. For programs that import no
 * more of them than others can: what only tests have is not in the bundle, and would bring copies of its own.
 */
export function bundledLibraries(): readonly string[] {
  const bundle = process.env[BUNDLE_VARIABLE];
  return bundle ? ["--import", pathToFileURL(join(bundle, "share.js")).href] : [];
}
