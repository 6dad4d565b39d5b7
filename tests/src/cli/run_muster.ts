import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const MAIN = join(import.meta.dirname, "..", "..", "..", "apps", "cli", "src", "main.ts");

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

/** Commands on servers that `env` names. */
export function commandsOn(env: Record<string, string>) {
  const run = (...args: string[]): Promise<Ended> => runMuster(args, env);
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
