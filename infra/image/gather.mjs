// Gathers what production needs into dist/muster: the bundle of all apps and the command line, a name for each, and the health check.
// `npm run gather` calls it. The folder can be moved anywhere; the container image has it as /muster.
import { cpSync, existsSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { makeBundle } from "@muster/bundle";

const HERE = import.meta.dirname;
const BUNDLE = join(HERE, "..", "bundle", "dist");
const GATHERED = join(HERE, "dist", "muster");

/** Files of the bundle that only its next build reads. */
const NOTES = ["made-from.json"];

/** Programs whose name differs from their folder's. */
const NAMES = { cli: "muster" };

await makeBundle();
rmSync(GATHERED, { recursive: true, force: true });
cpSync(BUNDLE, GATHERED, { recursive: true, filter: (path) => !NOTES.includes(basename(path)) });
cpSync(join(HERE, "health.mjs"), join(GATHERED, "health.mjs"));

for (const app of readdirSync(join(GATHERED, "apps"))) {
  const main = join("apps", app, "dist", "main.js");
  if (!existsSync(join(GATHERED, main))) {
    throw new Error(`Cannot gather ${app}: ${main} is missing in the bundle; see that infra/bundle makes it`);
  }
  // So that `node scheduler` runs it.
  symlinkSync(main, join(GATHERED, NAMES[app] ?? app));
}
