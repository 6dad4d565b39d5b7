// Tested by tests/src/cli/lock_test.ts
import { releaseLock, type ReleasedLock, type ShownLease } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print } from "../print/output.ts";
import { audit } from "../run/audit.ts";
import { withBroker } from "../run/servers.ts";
import { parseWanted } from "../run/values.ts";

interface ReleaseOptions extends OutputOptions {
  readonly holder?: string;
}

/** What becomes of the run that held a lease. */
function fencedOff({ taskId, worker, since }: ShownLease, isFenced: boolean): string {
  const whose = `task ${taskId} of ${worker}, since ${since}`;
  const end =
    "its run is aborted when the worker renews the lease, within a fifth of its time to live, and the task comes back";
  const fence = isFenced
    ? "; until then the database refuses its transaction as soon as another one has begun under this lock"
    : "; a limit has no fence, so until then it runs beside others";
  return `fenced off: ${whose}; ${end}${fence}`;
}

function show({ lock: { key, kind, begun, value }, leases }: ReleasedLock): string {
  const lines = [`released ${key}`];
  if (kind === "foreign" || kind === "pattern")
    lines.push(`it was stored by hand: ${JSON.stringify(value)}; no run was under it`);
  if (kind === "rate") lines.push(`its window is empty: ${begun ?? 0} were counted in it`);
  for (const lease of leases) lines.push(fencedOff(lease, kind !== "concurrency"));
  return lines.join("\n");
}

/** `muster lock release`. */
export function releaseLockCommand(): Command {
  return new Command("release")
    .description("free a key for those who wait; say whose work that fences off")
    .argument("<key>", "as `muster lock list` prints it, or as the definition has it", parseWanted)
    .option("--holder <name>", "only the lease whose holder's name begins so", parseWanted)
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(
        "muster lock release my_pilot.ce01.example.org",
        "muster lock release _rw.site.ce01.example.org --holder 3f2a91c0",
      ),
    )
    .action(async (key: string, { holder, ...options }: ReleaseOptions) => {
      const released = await withBroker(async (broker) => {
        const freed = await releaseLock(broker, key, { holder });
        const fenced = freed.leases.map(({ worker, taskId }) => ({ worker, taskId }));
        await audit(broker, { action: "lock.release", target: freed.lock.key, detail: { fenced } });
        return freed;
      });
      print({ key: released.lock.key, kind: released.lock.kind, released: released.leases }, options, () =>
        show(released),
      );
    });
}
