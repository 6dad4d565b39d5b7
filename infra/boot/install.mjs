import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { isWritable, settleHome } from "./home.mjs";
import { countPackages, describeMissing } from "./packages.mjs";

/**
 * File that `writeNote` writes after a whole install, and that later runs read: digest of what was installed, numbers of files, and pnpm.
 */
const NOTE = join("node_modules", ".muster-install.json");

/** Folder of the file that package.json names as its `muster`. */
const FOR_NPX = join("infra", "boot", "npx");

/** Returns the folders with a package.json, relative to the workspace's folder. */
function units(root) {
  const folders = ["apps", "libs", "infra"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(parent, name)),
  );
  return [".", "tests", ...folders].filter((folder) => existsSync(join(root, folder, "package.json"))).sort();
}

/** Returns a digest of everything that decides what is installed. */
function digest(root) {
  const files = ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...units(root).map((unit) => join(unit, "package.json"))];
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const file of files) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

function readNote(root) {
  let text;
  try {
    text = readFileSync(join(root, NOTE), "utf8");
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return {}; // there was no whole install
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch {
    return {}; // the note was cut off: the disk was full, or a copy was interrupted
  }
}

/** Notes that the wanted packages are now installed. */
function writeNote(root, { installed, pnpm, entries }) {
  const file = join(root, NOTE);
  writeFileSync(`${file}.new`, JSON.stringify({ installed, pnpm, entries }));
  renameSync(`${file}.new`, file);
}

/**
 * Makes the folder of package.json's own `muster` accessible only to its owner.
 *
 * npx makes a package's program executable before it runs it. The system allows that only to the file's owner, so all other users got
 * "EPERM chmod".
 *
 * npx ignores a folder that it may not read. It then finds `node_modules/.bin/muster`, which is installed by now and does the same.
 */
function closeToOthers(root) {
  try {
    chmodSync(join(root, FOR_NPX), 0o700);
  } catch (error) {
    if (error.code !== "EPERM") throw error; // we are not the owner and cannot do it; everything else is installed
  }
}

/** Returns why the workspace must be installed, and whether the old packages must go first; undefined: every file is installed. */
function whyInstall(root, { installed, entries }) {
  if (installed === undefined) return { why: "it is not installed yet", anew: true };
  if (entries === undefined) return { why: "an older version of Muster has installed it", anew: false };
  const missing = describeMissing(entries, countPackages(root, units(root)));
  if (missing !== undefined) return { why: `its packages are there in part only (${missing})`, anew: true };
  if (installed === digest(root)) return undefined;
  return { why: "what it needs has changed since it was installed", anew: false };
}

/** Runs a command. Its output is progress, so it goes to stderr. With `stdout` as "pipe" the output is returned instead. */
function run(command, args, { root, stdout }) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, npm_config_update_notifier: "false" };
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", stdout === "pipe" ? "pipe" : 2, 2] });
    let printed = "";
    child.stdout?.setEncoding("utf8").on("data", (text) => {
      printed += text;
    });
    const stop = (signal) => child.kill(signal);
    process.once("SIGINT", stop).once("SIGTERM", stop);
    child.on("error", (cause) => reject(new Error(`Cannot run ${command}: ${cause.message}`, { cause })));
    child.on("close", (code, signal) => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      if (code === 0) resolve(printed.trim());
      else
        reject(
          new Error(`Cannot install the workspace: "${command} ${args[0]}" ended with ${signal ?? code}; see above`),
        );
    });
  });
}

/** Returns the pnpm in the version that package.json pins. npm gets it, and keeps it in its own cache. */
async function findPnpm(root, known) {
  settleHome(); // npm, pnpm and turbo have their caches there
  if (known !== undefined && existsSync(known)) return known;
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  console.error(`muster: getting ${packageManager} by npm`);
  const args = ["exec", "--yes", `--package=${packageManager}`, "-c", "command -v pnpm"];
  const printed = await run("npm", args, { root, stdout: "pipe" });
  return printed.split("\n").at(-1);
}

/** Throws, and says what to do, unless we may write in the folders of the packages. */
function assertMayInstall(root, why) {
  const places = units(root).map((unit) => {
    const folder = join(root, unit, "node_modules");
    return existsSync(folder) ? folder : dirname(folder);
  });
  const closed = places.find((folder) => !isWritable(folder));
  if (closed === undefined) return;
  const user = process.getuid === undefined ? "this user" : `user ${process.getuid()}`;
  throw new Error(
    `Cannot install the workspace in ${root}: ${why}, and ${user} may not write to ${closed}; ` +
      "run `npx muster --version` there once as the user that it belongs to",
  );
}

async function installPackages(root, { pnpm: known, why, anew }) {
  assertMayInstall(root, why);
  console.error(`muster: installing the workspace, since ${why}; the first time takes a minute`);
  const pnpm = await findPnpm(root, known);
  // pnpm trusts its own notes, so it would take an incomplete folder for a whole one.
  if (anew) {
    for (const unit of units(root)) rmSync(join(root, unit, "node_modules"), { recursive: true, force: true });
  }
  // A production environment needs the tools too. There may be nobody who could answer a question.
  const flags = ["--frozen-lockfile", "--prod=false", "--config.confirm-modules-purge=false"];
  await run(pnpm, ["install", ...flags], { root });
  closeToOthers(root);
  writeNote(root, { installed: digest(root), pnpm, entries: countPackages(root, units(root)) });
}

/**
 * Installs the workspace exactly as the lockfile says, unless that has been done.
 *
 * If it has been done, it writes nothing and sends nothing. So another user may run it, also in a read-only folder and without a network.
 * @param {string} root the workspace's folder
 */
export async function install(root) {
  const note = readNote(root);
  const reason = whyInstall(root, note);
  if (reason !== undefined) await installPackages(root, { pnpm: note.pnpm, ...reason });
}

/**
 * Returns the folder of pnpm. Turbo looks for pnpm on PATH.
 * @param {string} root the workspace's folder
 * @returns {Promise<string>}
 */
export async function pnpmFolder(root) {
  return dirname(await findPnpm(root, readNote(root).pnpm));
}

/**
 * Notes that the workspace's packages are a whole install, e.g. after a test has copied them.
 * @param {string} root the workspace's folder
 */
export function noteInstalled(root) {
  closeToOthers(root);
  writeNote(root, { installed: digest(root), entries: countPackages(root, units(root)) });
}
