import { type ChildProcess, fork, spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Answered, Asked } from "./host_main.ts";
import { mainFile } from "../support/built.ts";

const MAIN = mainFile("cli");
const HOST = join(import.meta.dirname, "host_main.ts");
/** Processes in which the commands of one test file run. */
const HOSTS = 2;

/** What a `muster` command came to. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Runs `muster` in a process of its own. */
export async function runMuster(args: readonly string[], env: Record<string, string>, input = ""): Promise<Ended> {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, ...env } });
  child.stdin.end(input);
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [output, errors, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
  return { code, output, errors };
}

interface Host {
  readonly child: ChildProcess;
  readonly waiting: Map<number, PromiseWithResolvers<Ended>>;
}

/** They end with the test's process: their channel closes then. */
const hosts: Host[] = [];
let asked = 0;

function startHost(): Host {
  const child = fork(HOST, { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: [] });
  const waiting = new Map<number, PromiseWithResolvers<Ended>>();
  child.on("message", ({ id, ...ended }: Answered) => {
    waiting.get(id)?.resolve(ended);
    waiting.delete(id);
    if (waiting.size === 0) child.channel?.unref();
  });
  child.on("exit", (code, signal) => {
    const error = new Error(`the process that runs muster's commands ended with ${signal ?? code}`);
    for (const { reject } of waiting.values()) reject(error);
  });
  child.unref();
  const host = { child, waiting };
  hosts.push(host);
  return host;
}

/** The host with the fewest commands before ours, or a new one. */
function chooseHost(): Host {
  const [idlest] = hosts.toSorted((a, b) => a.waiting.size - b.waiting.size);
  return idlest === undefined || (idlest.waiting.size > 0 && hosts.length < HOSTS) ? startHost() : idlest;
}

/**
 * Runs `muster` as {@linkcode runMuster} does, but in a process that runs many commands: starting one costs most of a short command's
 * CPU. For what a process of its own does not matter to.
 */
function runHosted(args: readonly string[], env: Record<string, string>): Promise<Ended> {
  const { child, waiting } = chooseHost();
  const ended = Promise.withResolvers<Ended>();
  const question: Asked = { id: ++asked, args, env };
  waiting.set(question.id, ended);
  child.channel?.ref();
  child.send(question);
  return ended.promise;
}

/** Commands on servers that `env` names. */
export function commandsOn(env: Record<string, string>) {
  const run = (...args: string[]): Promise<Ended> => runHosted(args, env);
  return {
    env,
    run,
    /** The one document that a command printed with --json. */
    async json(...args: string[]): Promise<unknown> {
      const { code, output, errors } = await run(...args, "--json");
      if (code !== 0) throw new Error(`muster ${args.join(" ")} ended with ${code}: ${errors}`);
      return JSON.parse(output);
    },
  };
}
