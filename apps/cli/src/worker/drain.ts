// Tested by tests/src/cli/operate_test.ts
import { drainWorker, UnknownWorkerError, type WorkerDrain } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { count, type OutputOptions, print } from "../print/output.ts";
import { audit } from "../run/audit.ts";
import { complain, FailedError } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";
import { parseWanted, several } from "../run/values.ts";
import { whoRunsThis } from "../run/who.ts";

function describe({ worker, wasDraining, running, handedBack }: WorkerDrain): string {
  if (wasDraining)
    return `${worker} drains already; ${count(running, "task")} of it still ${running === 1 ? "runs" : "run"}`;
  const left = running === 0 ? "it ends" : `${count(running, "task")} may end before its deadline, and then it ends`;
  return `${worker} drains: ${count(handedBack, "task")} go back to other workers; ${left}`;
}

async function drain(names: readonly string[], options: OutputOptions): Promise<void> {
  const drains: WorkerDrain[] = [];
  const unknown: UnknownWorkerError[] = [];
  await withBroker(async (broker) => {
    for (const name of new Set(names)) {
      try {
        drains.push(await drainWorker(broker, name, { by: whoRunsThis() }));
        await audit(broker, { action: "worker.drain", target: name });
      } catch (error) {
        if (!(error instanceof UnknownWorkerError)) throw error;
        unknown.push(error);
      }
    }
  });
  print({ drains, unknown: unknown.map(({ worker }) => worker) }, options, () => drains.map(describe).join("\n"));
  for (const { message } of unknown) complain(message);
  if (unknown.length > 0) throw new FailedError("some are not there");
}

/** `muster worker drain`. */
export function drainWorkerCommand(): Command {
  return new Command("drain")
    .description(
      "let workers take no more tasks, hand back what has not begun, and end; a supervisor may start them again",
    )
    .argument("<worker...>", "names, as `muster worker list` shows them", several(parseWanted))
    .option("--json", "print JSON")
    .addHelpText("after", examples("muster worker drain submit-worker-grid7-26202-24192f"))
    .action(drain);
}
