// Tested by tests/src/cli/operate_test.ts
import { type Command, InvalidArgumentError } from "commander";
import { setTimeout as pause } from "node:timers/promises";
import { complain, describeFailure } from "./failure.ts";
import { keepingServers, letServersGo } from "./servers.ts";
import { currentScreen } from "../print/screen.ts";
import { parseLength } from "../print/time.ts";

/** Time between two looks, where none is given, ms. */
const USUAL_MS = 2_000;
const LONGEST_MS = 3_600_000;
/** Moves the cursor to the first line and clears what is below, as `clear` does. */
const CLEAR = "\u001b[H\u001b[2J";

function parseEvery(text: string): number {
  const ms = parseLength(/^[0-9]+$/.test(text) ? `${text}s` : text);
  if (ms !== undefined && ms >= 1_000 && ms <= LONGEST_MS) return ms;
  throw new InvalidArgumentError("Write a time from 1s to 1h: 2, 10s or 1m.");
}

/** Gives a command that lists something the option to print it again and again. */
export function watchable(command: Command): Command {
  return command.option("--watch [length]", "print it again each 2 s, or as given, until Ctrl-C", parseEvery);
}

interface Watched {
  readonly watch?: number | true;
}

/** The options among the arguments of an action: commander gives them last but one. */
function optionsIn(args: readonly unknown[]): Watched {
  return Object(args.at(-2));
}

/** Shows what one look prints. On a terminal it takes the place of the one before. */
async function look(work: () => Promise<void>): Promise<void> {
  if (currentScreen().width !== undefined) process.stdout.write(CLEAR);
  await work();
}

/**
 * An action that does its work once, or again and again with `--watch`, until SIGINT or SIGTERM. Servers stay connected meanwhile. Where a later
 * look fails, that is told, and the next one connects again: a server may be starting. A first look that fails ends the command.
 */
export function watched<Args extends unknown[]>(
  work: (...args: Args) => Promise<void>,
): (...args: Args) => Promise<void> {
  return async (...args) => {
    const { watch } = optionsIn(args);
    if (watch === undefined) return await work(...args);
    const everyMs = watch === true ? USUAL_MS : watch;
    const interrupted = new AbortController();
    const interrupt = () => interrupted.abort();
    process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
    try {
      await keepingServers(async () => {
        await look(() => work(...args));
        while (!interrupted.signal.aborted) {
          await pause(everyMs, undefined, { signal: interrupted.signal }).catch(() => undefined); // it was interrupted
          if (interrupted.signal.aborted) break;
          await look(() => work(...args)).catch(async (error: unknown) => {
            complain(describeFailure(error));
            await letServersGo();
          });
        }
      });
    } finally {
      process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
    }
  };
}
