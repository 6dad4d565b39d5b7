import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { basename, join, posix } from "node:path";
import { makeBase } from "./bases.ts";
import { copyContext } from "./build_context.ts";
import type { Stage, Step } from "./dockerfile.ts";

/** Where the steps are played. */
export interface Ground {
  /** The workspace, which is the context of the build. */
  readonly root: string;
  readonly ignoreFile: string;
  /** A folder for the stages' roots. */
  readonly scratch: string;
  say(line: string): void;
}

/** A stage that is played: its root folder and its working directory. */
interface Played {
  readonly root: string;
  workdir: string;
}

async function copy({ text, flags }: Step, { root, workdir }: Played, ground: Ground): Promise<void> {
  const words = text.split(" ");
  const [source = "", target = ""] = words;
  if (words.length !== 2) throw new Error(`Cannot play "COPY ${text}": one source and one target are known here`);
  const to = join(root, posix.resolve(workdir, target));
  if (flags.from === undefined) {
    if (source !== ".") throw new Error(`Cannot play "COPY ${text}": only the whole context is known here`);
    mkdirSync(to, { recursive: true });
    return await copyContext(ground.root, to, ground.ignoreFile);
  }
  const found = globSync(join(ground.scratch, flags.from, source));
  if (found.length === 0) throw new Error(`Cannot play "COPY ${text}": stage ${flags.from} has no ${source}`);
  for (const path of found) {
    const place = statSync(path).isDirectory() ? to : to.endsWith("/") ? join(to, basename(path)) : to;
    cpSync(path, place, { recursive: true, verbatimSymlinks: true });
  }
}

function run({ text, strings }: Step, { root, workdir }: Played): void {
  if (strings !== undefined) throw new Error(`Cannot play "RUN ${text}": only the form for a shell is known here`);
  execFileSync("unshare", [`--root=${root}`, `--wd=${workdir}`, "/bin/sh", "-c", text], {
    stdio: ["ignore", 2, 2],
    env: { ...process.env, PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
  });
}

/** Takes the steps of a stage as a builder takes them. Returns the root folder that comes of it. */
export async function playStage(stage: Stage, ground: Ground): Promise<string> {
  const name = stage.name ?? "image";
  const played: Played = { root: join(ground.scratch, name), workdir: "/" };
  ground.say(`FROM ${stage.base}`);
  makeBase(stage.base, played.root, join(ground.scratch, `${name}.scratch`));
  for (const step of stage.steps) {
    ground.say(`${step.keyword} ${step.text}`);
    if (step.keyword === "COPY") await copy(step, played, ground);
    else if (step.keyword === "RUN") run(step, played);
    else if (step.keyword === "WORKDIR") {
      played.workdir = posix.resolve(played.workdir, step.text);
      mkdirSync(join(played.root, played.workdir), { recursive: true });
    } else if (!["ENV", "EXPOSE", "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"].includes(step.keyword))
      throw new Error(`Cannot play ${step.keyword} in line ${step.line}: play.ts does not know it; tell it there`);
  }
  return played.root;
}

/** The ignore file that a builder takes for a Dockerfile. */
export function readIgnoreFile(dockerfile: string): string {
  return readFileSync(`${dockerfile}.dockerignore`, "utf8");
}
