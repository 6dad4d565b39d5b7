// Runs `muster` commands one after the other, each with an environment of its own, for tests that run dozens of them.
import { appFile } from "../support/built.ts";

/** One command, as a test asks for it. */
export interface Asked {
  readonly id: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What it came to. */
export interface Answered {
  readonly id: number;
  readonly code: number;
  readonly output: string;
  readonly errors: string;
}

const { runCli }: { runCli(args: readonly string[]): Promise<number> } = await import(appFile("cli", "run_cli"));
const ownEnv = { ...process.env };

/** Takes what is written to a stream in place of it. */
function capture(stream: NodeJS.WriteStream): { text(): string } {
  let text = "";
  stream.write = (chunk: string | Uint8Array) => {
    text += typeof chunk === "string" ? chunk : new TextDecoder().decode(chunk);
    return true;
  };
  return { text: () => text };
}

async function run({ id, args, env }: Asked): Promise<Answered> {
  for (const name of Object.keys(process.env)) if (!(name in ownEnv)) delete process.env[name];
  Object.assign(process.env, ownEnv, env);
  const output = capture(process.stdout);
  const errors = capture(process.stderr);
  const code = await runCli(args);
  return { id, code, output: output.text(), errors: errors.text() };
}

let last: Promise<unknown> = Promise.resolve();
process.on("message", (asked: Asked) => {
  last = last.then(async () => process.send?.(await run(asked)));
});
process.on("disconnect", () => process.exit());
