// Gathers what production needs into dist/muster: the built apps and libraries, and the packages that they need, in the lockfile's versions.
// `npm run gather` calls it, after the build. The folder can be moved anywhere; the container image has it as /muster.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

const HERE = import.meta.dirname;
const GATHERED = join(HERE, "dist", "muster");

/** Libraries: an extension's modules find them beside it. All other dependencies of the image are programs. */
const LIBRARIES = ["app", "ledger", "logic", "pilot-tasks", "service", "tasks"];

/** Programs whose name differs from their package's. */
const NAMES = { cli: "muster" };

rmSync(GATHERED, { recursive: true, force: true });
execFileSync(
  "pnpm",
  [
    "--filter=@muster/image",
    "deploy",
    "--prod",
    // The servers of `muster up` and the Node.js of the workspace are optional dependencies.
    "--no-optional",
    // So that each library is there once, as a folder and not as a link into the workspace.
    "--config.inject-workspace-packages=true",
    // A patch of a test tool is not used here.
    "--config.allow-unused-patches=true",
    GATHERED,
  ],
  { cwd: join(HERE, "..", ".."), stdio: ["ignore", 2, 2] },
);

const { dependencies } = JSON.parse(readFileSync(join(HERE, "package.json"), "utf8"));
for (const dependency of Object.keys(dependencies)) {
  const name = dependency.replace("@muster/", "");
  if (LIBRARIES.includes(name)) continue;
  const main = join("node_modules", dependency, "dist", "main.js");
  if (!existsSync(join(GATHERED, main))) {
    throw new Error(`Cannot gather ${dependency}: ${main} is missing; see that its build makes dist/main.js`);
  }
  // So that `node scheduler` runs it.
  symlinkSync(main, join(GATHERED, NAMES[name] ?? name));
}
