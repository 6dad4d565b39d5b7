import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..", "..");

/** Variable by which the gate says that it has just made the bundle, from the sources as they are. */
export const BUNDLE_VARIABLE = "MUSTER_TEST_BUNDLE";

/**
 * The file by which a test starts an app or the command line. In `npm test` that is the bundle, as in production: it needs half the CPU. A
 * test file that runs by itself starts the source, which is never old. So does one that asks which modules are loaded.
 */
export function mainFile(app: string, form: "built" | "source" = "built"): string {
  const bundle = process.env[BUNDLE_VARIABLE];
  return bundle && form === "built"
    ? join(bundle, "apps", app, "dist", "main.js")
    : join(ROOT, "apps", app, "src", "main.ts");
}
