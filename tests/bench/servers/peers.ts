import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { BENCH, KEPT } from "./places.ts";

const execute = promisify(execFile);
const PEERS = join(BENCH, "peers");
/** The oldest Python that DiracX runs on. A newer one must have the same major version. */
const OLDEST_PYTHON = [3, 11] as const;

async function readOrNothing(file: string): Promise<string> {
  return await readFile(file, "utf8").catch(() => ""); // nothing is installed yet
}

/** Installs the Node.js libraries of the peers in their own folder, exactly as their lockfile says. Needs pnpm on PATH. */
export async function installPeers(progress: (line: string) => void): Promise<void> {
  const installed = await readOrNothing(join(PEERS, "node_modules/.pnpm/lock.yaml"));
  if (installed === (await readFile(join(PEERS, "pnpm-lock.yaml"), "utf8"))) return;
  progress("installing BullMQ, graphile-worker and pg-boss; the first time takes a moment");
  await execute("pnpm", ["install", "--frozen-lockfile"], { cwd: PEERS, timeout: 300_000 });
}

/** Makes a Python environment with DiracX if there is none, and returns its interpreter. Throws the reason where that is not possible. */
export async function installDiracx(progress: (line: string) => void): Promise<string> {
  const folder = join(KEPT, "diracx");
  const python = join(folder, "bin", "python");
  const done = join(folder, "installed");
  const requirements = join(PEERS, "diracx_requirements.txt");
  const wanted = await readFile(requirements, "utf8");
  if ((await readOrNothing(done)) === wanted) return python;
  const { stdout } = await execute("python3", ["--version"]);
  const [, major, minor] = /(\d+)\.(\d+)/.exec(stdout) ?? [];
  if (Number(major) !== OLDEST_PYTHON[0] || Number(minor) < OLDEST_PYTHON[1]) {
    throw new Error(`${stdout.trim()} is here, and DiracX needs ${OLDEST_PYTHON.join(".")} or newer`);
  }
  progress("installing DiracX's diracx-tasks from PyPI; the first time takes half a minute");
  await execute("python3", ["-m", "venv", folder], { timeout: 120_000 });
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements];
  await execute(python, pip, { timeout: 300_000 });
  await writeFile(done, wanted);
  return python;
}
