import { spawn } from "node:child_process";
import { access, constants, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, sep } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "./markdown.ts";

/** What Debian has on every machine and our tools' scripts call, beside node, npm, npx and git. */
const USUAL = [
  ["sh", "env", "uname", "dirname", "basename", "readlink", "sed", "cat", "echo", "ls", "mkdir", "rm", "cp", "mv"],
  ["printf", "tr", "head", "tail", "grep", "sleep", "test", "true", "false", "chmod", "ln", "which", "getconf", "ldd"],
].flat();

/** How long the last output of a command that has ended may take to be read, ms. */
const OUTPUT_WITHIN_MS = 2_000;

/** How a command ended, and all that it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly said: string;
}

/** A command that runs until it is stopped. */
export interface Running {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  /** Resolves once a line that it has said or says holds `text`; rejects when it ends without. */
  line(text: string): Promise<void>;
  /** Sends SIGTERM, unless it has ended. */
  stop(): void;
}

/** Runs commands as a newcomer does: with git, Node.js and npm on PATH, and nothing of the workspace. */
export interface CleanMachine extends AsyncDisposable {
  /** Gives the words to a shell, in `folder`. `exec` goes before them, so that the process is the command's own. */
  start(command: string, folder: string): Running;
}

/** The first file of that name on PATH that is no part of the workspace or of npm's cache. */
export async function findOutside(name: string): Promise<string | undefined> {
  for (const folder of (process.env["PATH"] ?? "").split(delimiter)) {
    if (folder === "" || folder.includes(`${sep}node_modules${sep}`)) continue;
    const candidate = join(folder, name);
    const isThere = await access(candidate, constants.X_OK).then(
      () => true,
      () => false, // the next folder may have it
    );
    if (isThere) return candidate;
  }
  return undefined;
}

/** What a way out to a registry may need, and where npm, pnpm and Node.js keep what they have got or compiled before. */
const KEPT =
  /^(?:NODE_COMPILE_CACHE|HOME|USER|LANG|TMPDIR|.*proxy.*|.*CERT.*|npm_config_(?:registry|cafile|cache|userconfig|globalconfig))$/i;

/** Makes one. `env` is added to its environment; `more` are other programs on its PATH. */
export async function openCleanMachine(
  env: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): Promise<CleanMachine> {
  const folder = await mkdtemp(join(tmpdir(), "muster-clean-"));
  const bin = join(folder, "bin");
  await mkdir(bin);
  for (const name of ["node", "npm", "npx", "git", ...USUAL]) {
    const found = await findOutside(name);
    if (found !== undefined) await symlink(found, join(bin, name));
  }
  for (const [name, path] of Object.entries(more)) await symlink(path, join(bin, name));
  const kept = Object.fromEntries(Object.entries(process.env).filter(([name]) => KEPT.test(name)));

  function start(command: string, cwd: string): Running {
    const child = spawn("/bin/sh", ["-c", command], {
      cwd,
      env: { ...kept, ...env, PATH: bin },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines: string[] = [];
    const news = new EventTarget();
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on("line", (line) => {
        lines.push(line);
        news.dispatchEvent(new Event("news"));
      });
    }
    let isOver = false;
    const ended = new Promise<Ended>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        const end = () => {
          isOver = true;
          news.dispatchEvent(new Event("news"));
          resolve({ code, signal, said: lines.join("\n") });
        };
        // What it has left behind may hold its output open for ever.
        const late = setTimeout(end, OUTPUT_WITHIN_MS);
        child.once("close", () => {
          clearTimeout(late);
          end();
        });
      });
    });
    async function line(text: string): Promise<void> {
      while (!lines.some((each) => each.includes(text))) {
        if (isOver) throw new Error(`"${command}" ended before it said "${text}":\n${lines.join("\n")}`);
        await new Promise((resolve) => news.addEventListener("news", resolve, { once: true }));
      }
    }
    return { pid: child.pid ?? Number.NaN, ended, line, stop: () => void child.kill("SIGTERM") };
  }
  return { start, [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

/** Where turbo keeps what it has built from the same sources before. */
export const TURBO_CACHE = join(ROOT, ".turbo", "cache");
