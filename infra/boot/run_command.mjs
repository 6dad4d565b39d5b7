import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { commandLine } from "./bundle.mjs";
import { install, pnpmFolder } from "./install.mjs";
import { runInstalled } from "./run_installed.mjs";

const OLDEST_NODE = 20;
const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const CLI = join(ROOT, "apps", "cli", "src", "main.ts");
const REFERENCE = join(ROOT, "infra", "reference", "src", "main.ts");

/** For each command: its program in `node_modules/.bin`, its first arguments, what is added to its environment, and whether it needs pnpm on PATH. Builds do. */
const COMMANDS = {
  start: { program: "node", args: [CLI, "up"], builds: false },
  muster: { program: "node", args: [CLI], builds: false },
  build: { program: "turbo", args: ["run", "build", "--no-update-notifier"], builds: true },
  packages: {
    program: "turbo",
    args: ["run", "tarball", "--output-logs=errors-only", "--no-update-notifier"],
    builds: true,
  },
  gather: { program: "node", args: [join(ROOT, "infra", "image", "gather.mjs")], builds: false },
  image: { program: "node", args: [join(ROOT, "tests", "src", "image", "main.ts")], builds: false },
  test: { program: "node", args: [join(ROOT, "tests", "src", "gate", "main.ts")], builds: true },
  bench: { program: "node", args: [join(ROOT, "tests", "bench", "main.ts")], builds: true },
  storms: {
    program: "ava",
    args: ["tests/src/chaos/*_test.ts", "tests/src/restore/restore_test.ts"],
    builds: false,
    env: { MUSTER_TEST_SIZE: "large" },
  },
  viewers: { program: "ava", args: ["tests/src/viewers/*_test.ts"], builds: false, env: { MUSTER_TEST_SIZE: "large" } },
  reference: { program: "node", args: [REFERENCE], builds: false },
  mutants: { program: "node", args: [join(ROOT, "tests", "src", "mutants", "main.ts")], builds: false },
};

/** The arguments of a command. The command line may run from its bundle, unless it only tells its version. */
function argumentsOf(name, args, given) {
  if (args[0] !== CLI || (given.length === 1 && given[0] === "--version")) return [...args, ...given];
  return [commandLine(ROOT, { make: name === "start" }), ...args.slice(1), ...given];
}

async function prepareAndRun([name = "", ...given]) {
  if (Number.parseInt(process.versions.node, 10) < OLDEST_NODE) {
    throw new Error(
      `Cannot start with Node.js ${process.versions.node}: ${OLDEST_NODE} or newer is needed; install it`,
    );
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw new Error(`Cannot run "${name}"; use one of ${Object.keys(COMMANDS).join(", ")}`);
  const { program, args, builds, env = {} } = command;
  await install(ROOT);
  const folders = [join(ROOT, "node_modules", ".bin"), ...(builds ? [await pnpmFolder(ROOT)] : [])];
  process.env.PATH = [...folders, process.env.PATH].join(delimiter);
  Object.assign(process.env, env);
  runInstalled(ROOT, program, argumentsOf(name, args, given));
}

/**
 * Installs what is missing, and runs one command with the pinned programs of the workspace. Ends with the command's exit code.
 *
 * Needs only Node.js 20 and npm.
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
