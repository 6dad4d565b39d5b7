import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Response } from "../actors/serve.ts";

/** Longest time that a process may take to end after the bench has disconnected, ms. */
const END_WITHIN_MS = 8_000;

/** Longest time for one request, ms. A process that hangs is then an error. */
const ANSWER_WITHIN_MS = 240_000;

/** A process of the bench that carries out requests. */
export interface Actor<Verbs> extends AsyncDisposable {
  readonly pid: number;
  /** Sends one request and returns its result. Throws what the process threw, or that it ended. */
  ask<Name extends keyof Verbs & string>(verb: Name, ...input: InputOf<Verbs[Name]>): Promise<AnswerOf<Verbs[Name]>>;
}

type InputOf<Verb> = Verb extends (...input: infer Input) => unknown ? Input : never;
type AnswerOf<Verb> = Verb extends (...input: never) => Promise<infer Answer> ? Answer : never;

/** The program and its arguments. */
export interface ActorCommand {
  /** Name in errors. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  if (child.connected) child.disconnect();
  const kill = setTimeout(() => child.kill("SIGKILL"), END_WITHIN_MS);
  await exited;
  clearTimeout(kill);
}

/** Starts the process and waits until it is ready. Its output goes to our stderr. */
export async function startActor<Verbs>({ name, command, args, env }: ActorCommand): Promise<Actor<Verbs>> {
  const child = spawn(command, [...args], {
    stdio: ["ignore", 2, 2, "ipc"],
    env: { ...process.env, ...env },
  });
  const waiting = new Map<number, Waiting>();
  const fail = (error: Error) => {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  child.on("error", (cause) => fail(new Error(`Cannot run ${name}: ${cause.message}`, { cause })));
  child.on("exit", (code, signal) => fail(new Error(`Cannot go on with ${name}: it ended with ${signal ?? code}`)));
  child.on("message", (response: Response) => {
    const asked = waiting.get(response.id);
    waiting.delete(response.id);
    if ("error" in response) asked?.reject(new Error(`${name}: ${response.error}`));
    else asked?.resolve(response.answer);
  });
  async function answerTo(id: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    waiting.set(id, { resolve, reject });
    const late = () => reject(new Error(`Cannot go on with ${name}: no answer in ${ANSWER_WITHIN_MS / 1_000} s`));
    const timer = setTimeout(late, ANSWER_WITHIN_MS);
    return await promise.finally(() => clearTimeout(timer));
  }
  await answerTo(0);

  let asked = 0;
  return {
    pid: child.pid ?? 0,
    async ask(verb, ...input) {
      const id = ++asked;
      const answer = answerTo(id);
      child.send({ id, verb, input: input[0] });
      // Both processes are of one build, and the type of each result is checked where it is served.
      return (await answer) as never;
    },
    [Symbol.asyncDispose]: () => end(child),
  };
}
