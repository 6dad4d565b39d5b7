// What `npm run image` runs: the steps of infra/image/Dockerfile, without a container daemon, and each app from what comes of them.
// Needs Linux, root, Debian's files and a registry of npm packages. It mounts in a namespace of its own and leaves nothing.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDockerfile } from "./dockerfile.ts";
import { lintDockerfile } from "./lint.ts";
import { playStage, readIgnoreFile } from "./play.ts";
import { formOf, tryApps } from "./try_apps.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const DOCKERFILE = join(ROOT, "infra", "image", "Dockerfile");

/** Set in the process that has the namespace: a folder for it. The other process deletes it, since it sees none of the mounts. */
const SCRATCH = "MUSTER_IMAGE_SCRATCH";

function say(line: string): void {
  console.log(line);
}

async function build(scratch: string): Promise<void> {
  const content = await readFile(DOCKERFILE, "utf8");
  const findings = lintDockerfile(content);
  for (const { line, what } of findings) say(`not ok line ${line}: ${what}`);
  if (findings.length > 0) throw new Error(`Cannot build the image: ${findings.length} findings in the Dockerfile`);
  const ground = { root: ROOT, ignoreFile: readIgnoreFile(DOCKERFILE), scratch, say };
  const stages = readDockerfile(content);
  let root = "";
  for (const stage of stages) root = await playStage(stage, ground);
  const image = stages.at(-1);
  if (image === undefined) throw new Error("Cannot build the image: the Dockerfile has no FROM");
  say(`ok built: ${spawnSync("du", ["-sm", root], { encoding: "utf8" }).stdout.split("\t")[0]} MB`);
  await tryApps({ image, form: formOf(image, root), say });
}

/** Runs this file again in a namespace of its own for mounts. */
async function inNamespace(): Promise<void> {
  if (process.platform !== "linux" || process.getuid?.() !== 0)
    throw new Error("Cannot take the steps of the Dockerfile: that needs Linux and root; `docker build` does the same");
  await using scratch = await mkdtempDisposable(join(tmpdir(), "muster-image-"));
  const args = ["--mount", "--propagation=private", process.execPath, import.meta.filename];
  const child = spawn("unshare", args, { stdio: "inherit", env: { ...process.env, [SCRATCH]: scratch.path } });
  const [code] = await once(child, "exit");
  process.exitCode = code ?? 1;
}

const scratch = process.env[SCRATCH];
await (scratch === undefined ? inNamespace() : build(scratch));
