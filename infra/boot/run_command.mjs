import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { settleHome } from "./home.mjs";
import { install } from "./install.mjs";
import { runPinned } from "./pinned_node.mjs";

const OLDEST_NODE = 20;
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const CLI = join(ROOT, "apps", "cli", "src", "main.ts");

/** The script that each command runs, and its first arguments. */
const COMMANDS = {
  start: [CLI, "up"],
  muster: [CLI],
  test: [join(ROOT, "tests", "src", "gate", "main.ts")],
  bench: [join(ROOT, "tests", "bench", "main.ts")],
  mutants: [join(ROOT, "tests", "src", "mutants", "main.ts")],
};

async function prepareAndRun([command = "", ...args]) {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new Error(
      `Cannot start with Node.js ${process.versions.node}: ${OLDEST_NODE} or newer is needed; install it`,
    );
  }
  const script = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (script === undefined) throw new Error(`Cannot run "${command}"; use one of ${Object.keys(COMMANDS).join(", ")}`);
  settleHome();
  const pnpmFolder = await install(ROOT);
  process.env.PATH = [join(ROOT, "node_modules", ".bin"), pnpmFolder, process.env.PATH].join(delimiter);
  runPinned(ROOT, [...script, ...args]);
}

/**
 * Installs what is missing, and runs one of the commands with the Node.js that the workspace pins; ends as that ends.
 *
 * Needs nothing but Node.js 20 and npm.
 * @param {readonly string[]} args the command's name and its arguments
 */
export async function runCommand(args) {
  try {
    await prepareAndRun(args);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
