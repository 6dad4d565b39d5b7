// Tested by tests/src/cli/lock_test.ts
import { listLocks, lockOfKey, type ShownLock } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print, tableText } from "../print/output.ts";
import { watchable, watched } from "../run/watch.ts";
import { withBroker } from "../run/servers.ts";
import { parseWanted } from "../run/values.ts";

/** Number of characters of a holder's name that are shown in a table. They do for `--holder`. */
const HOLDER_SHOWN = 8;

const KINDS: Readonly<Record<ShownLock["kind"], string>> = {
  mutex: "mutex",
  rw: "read-write",
  concurrency: "concurrency",
  rate: "rate",
  foreign: "by hand",
  pattern: "pattern",
};

interface ListOptions extends OutputOptions {
  readonly waiting?: boolean;
}

function kindText({ kind }: ShownLock, mode: string | undefined): string {
  return mode ?? KINDS[kind];
}

function waitingText({ waiting }: ShownLock): string {
  return String(waiting.reduce((sum, each) => sum + each.count, 0));
}

/** What a key without a lease is about. */
function withoutLease({ kind, begun, value = "" }: ShownLock): string {
  if (kind === "rate") return `${count(begun ?? 0, "task")} in its window`;
  if (kind === "foreign") return `stored by hand: ${JSON.stringify(value)}`;
  if (kind === "pattern") return "no lock's key: nobody waits for it";
  return "free";
}

function rowsOf(lock: ShownLock): string[][] {
  const { key, leases } = lock;
  if (leases.length === 0)
    return [[key, kindText(lock, undefined), "-", "-", "-", "-", waitingText(lock), withoutLease(lock)]];
  return leases.map(({ holder, worker, taskId, mode, leftMs, since }, index) => [
    ...[key, kindText(lock, mode), holder.slice(0, HOLDER_SHOWN), worker, taskId],
    ...[`${(leftMs / 1_000).toFixed(1)} s`, index === 0 ? waitingText(lock) : "", `since ${since}`],
  ]);
}

function table(locks: readonly ShownLock[]): string {
  return tableText(["KEY", "KIND", "HOLDER", "WORKER", "TASK ID", "#LEFT", "#WAIT", "STATE"], locks.flatMap(rowsOf));
}

/** One key with all that is known of it. */
function details(lock: ShownLock): string {
  const lines = [table([lock])];
  for (const { worker, count: tasks } of lock.waiting)
    lines.push(`${count(tasks, "task")} of ${worker} wait${tasks === 1 ? "s" : ""} for it`);
  if (lock.waiting.length === 0) lines.push("no worker has told in the last 10 s that tasks wait for it");
  if (lock.kind === "foreign")
    lines.push(`stored at ${lock.storedAt}; nothing frees it but: muster lock release '${lock.key}'`);
  return lines.join("\n");
}

const EXAMPLES = {
  list: ["muster lock list", "muster lock list my_pilot.", "muster lock list --waiting --json"],
  show: ["muster lock show my_pilot.ce01.example.org", "muster lock show _rate.site.ce01.example.org --json"],
} as const;

/** `muster lock list|show`. */
export function listLocksCommand(verb: "list" | "show"): Command {
  const command = watchable(new Command(verb))
    .option("--json", "print JSON")
    .addHelpText("after", examples(...EXAMPLES[verb]));
  if (verb === "show") {
    return command
      .description("one key: its holders, and who waits")
      .argument("<key>", "as `list` prints it, or as the definition has it", parseWanted)
      .action(
        watched(async (key: string, options: OutputOptions) => {
          const lock = lockOfKey(await withBroker(listLocks), key);
          print(lock ?? null, options, () =>
            lock === undefined ? `Nobody holds ${key}, and no task waits for it` : details(lock),
          );
        }),
      );
  }
  return command
    .description("what is held and by whom, limits in use, and how many tasks wait")
    .argument("[prefix]", "only keys that begin so", parseWanted)
    .option("--waiting", "only keys for which tasks wait")
    .action(
      watched(async (prefix: string | undefined, options: ListOptions) => {
        const locks = (await withBroker(listLocks)).filter(
          ({ key, waiting }) => key.startsWith(prefix ?? "") && (options.waiting !== true || waiting.length > 0),
        );
        print(locks, options, () =>
          locks.length === 0 ? "No such lock is held, and no task waits for one" : table(locks),
        );
      }),
    );
}
