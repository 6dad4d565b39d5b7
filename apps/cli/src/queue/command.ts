// Tested by tests/src/cli/queue_test.ts
import { pauseQueue, resumeQueue } from "@muster/tasks/operate";
import { Command } from "commander";
import { examples } from "../print/examples.ts";
import { type OutputOptions, print } from "../print/output.ts";
import { audit } from "../run/audit.ts";
import { withBroker } from "../run/servers.ts";
import { parseReason, parseTaskName, parseVo } from "../run/values.ts";
import { whoRunsThis } from "../run/who.ts";
import { listQueuesCommand } from "./list.ts";
import { checkTask, checkVo, nameOfTarget, targetFrom } from "./target.ts";

const PAUSE = [
  'muster queue pause MyPilotTask --reason "CE is down"',
  "muster queue pause --vo lhcb",
  "muster queue pause MyPilotTask --vo lhcb",
];
const RESUME = ["muster queue resume MyPilotTask", "muster queue resume MyPilotTask --vo lhcb"];

interface TargetOptions extends OutputOptions {
  readonly vo?: string;
}

interface PauseOptions extends TargetOptions {
  readonly reason?: string;
}

async function pause(task: string | undefined, { vo, reason, ...options }: PauseOptions): Promise<void> {
  const target = targetFrom(task, vo);
  await checkTask(target);
  const note = { by: whoRunsThis(), ...(reason === undefined ? {} : { reason }) };
  await withBroker(async (broker) => {
    await checkVo(broker, target);
    await pauseQueue(broker, target, note);
    const detail = reason === undefined ? {} : { detail: { reason } };
    await audit(broker, { action: "queue.pause", target: nameOfTarget(target), ...detail });
  });
  print({ task: task ?? null, vo: vo ?? null, paused: true, ...note }, options, () => {
    const name = nameOfTarget(target);
    return `paused ${name}: no worker takes a new one; what runs goes on`;
  });
}

async function resume(task: string | undefined, { vo, ...options }: TargetOptions): Promise<void> {
  const target = targetFrom(task, vo);
  // Also of a task or VO that is gone meanwhile, so its pause does not stay for ever.
  const wasPaused = await withBroker(async (broker) => {
    const was = await resumeQueue(broker, target);
    if (was) await audit(broker, { action: "queue.resume", target: nameOfTarget(target) });
    return was;
  });
  print({ task: task ?? null, vo: vo ?? null, paused: false, wasPaused }, options, () => {
    const name = nameOfTarget(target);
    return wasPaused ? `resumed ${name}` : `${name} had no pause of its own; nothing was changed`;
  });
}

/** `muster queue`: which tasks workers take. */
export function queueCommand(): Command {
  return new Command("queue")
    .description("what workers take: pause, resume, list; in force within a second")
    .addHelpText("after", examples(...PAUSE, ...RESUME))
    .addCommand(
      new Command("pause")
        .description("let no worker take a new task of a task, a VO or both; kept until it is resumed")
        .argument("[task]", "default: all tasks of the VO", parseTaskName)
        .option("--vo <vo>", "only those of this VO", parseVo)
        .option("--reason <text>", "shown by `muster queue list` while it lasts", parseReason)
        .option("--json", "print JSON")
        .addHelpText("after", examples(...PAUSE))
        .action(pause),
    )
    .addCommand(
      new Command("resume")
        .description("take exactly this pause back")
        .argument("[task]", "default: all tasks of the VO", parseTaskName)
        .option("--vo <vo>", "only those of this VO", parseVo)
        .option("--json", "print JSON")
        .addHelpText("after", examples(...RESUME))
        .action(resume),
    )
    .addCommand(listQueuesCommand());
}
