import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Where an install that went through is noted: what was installed, and the pnpm that did it. */
const NOTE = "node_modules/.muster-install.json";

/** What decides what an install installs. */
function manifests(root) {
  const folders = ["apps", "libs", "infra"].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(parent, name)),
  );
  const files = [".", "tests", ...folders].map((folder) => join(folder, "package.json"));
  return ["pnpm-lock.yaml", "pnpm-workspace.yaml", ...files].filter((file) => existsSync(join(root, file))).sort();
}

function digest(root) {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}`);
  for (const file of manifests(root)) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

function readNote(root) {
  try {
    return JSON.parse(readFileSync(join(root, NOTE), "utf8"));
  } catch {
    return {}; // never installed by us, or not to the end
  }
}

/** Runs a command whose output is progress and so belongs on stderr; answers what it printed if `stdout` is "pipe". */
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

/** The pnpm whose version package.json pins, by way of npm, which keeps it in its own cache. */
async function findPnpm(root) {
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  console.error(`muster: getting ${packageManager} by npm`);
  const args = ["exec", "--yes", `--package=${packageManager}`, "-c", "command -v pnpm"];
  const printed = await run("npm", args, { root, stdout: "pipe" });
  return printed.split("\n").at(-1);
}

/**
 * Installs the workspace exactly as the lockfile says, unless that has been done.
 *
 * Answers the folder of pnpm, which turbo looks for on PATH.
 * @param {string} root the workspace's folder
 * @returns {Promise<string>}
 */
export async function install(root) {
  const wanted = digest(root);
  const { installed, pnpm: known } = readNote(root);
  const upToDate = installed === wanted && existsSync(join(root, "node_modules/.bin/node"));
  if (upToDate && known !== undefined && existsSync(known)) return dirname(known);

  const pnpm = await findPnpm(root);
  if (!upToDate) {
    console.error("muster: installing the workspace; the first time takes a minute");
    // A production environment too needs the tools, and there may be nobody to answer a question.
    const flags = ["--frozen-lockfile", "--prod=false", "--config.confirm-modules-purge=false"];
    await run(pnpm, ["install", ...flags], { root });
  }
  writeFileSync(join(root, NOTE), JSON.stringify({ installed: wanted, pnpm }));
  return dirname(pnpm);
}
