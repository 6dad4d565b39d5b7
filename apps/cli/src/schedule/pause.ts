import { pauseSchedule, type PauseTarget, resumeSchedule } from "@muster/tasks";
import { Command } from "commander";
import { type OutputOptions, print } from "../print/output.ts";
import { UsageError } from "../run/failure.ts";
import { withBroker } from "../run/servers.ts";
import { checkTarget } from "./change.ts";

interface PauseOptions extends OutputOptions {
  readonly vo?: string;
  readonly instance?: string;
  readonly reason?: string;
}

function targetOf(task: string, { vo, instance }: PauseOptions): PauseTarget {
  checkTarget(task, vo);
  if (instance !== undefined && vo === undefined) throw new UsageError("--instance needs --vo");
  return { task, vo, instance };
}

function pauseCommand(verb: "pause" | "resume", description: string): Command {
  return new Command(verb)
    .description(description)
    .argument("<task>")
    .option("--vo <vo>", "only for this VO")
    .option("--instance <name>", "only this instance (default: default)")
    .option("--json", "print JSON");
}

/** `muster schedule pause|resume`. */
export function pauseCommands(): readonly Command[] {
  const pause = pauseCommand("pause", "publish nothing until resumed; the newest missed time comes right after")
    .option("--reason <text>", "kept beside the pause")
    .action(async (task: string, options: PauseOptions) => {
      const target = targetOf(task, options);
      await withBroker((broker) => pauseSchedule(broker, target, options.reason));
      print({ ...target, paused: true }, options, () => `paused ${task}${options.vo ? ` of ${options.vo}` : ""}`);
    });
  const resume = pauseCommand("resume", "take exactly this pause back").action(
    async (task: string, options: PauseOptions) => {
      const target = targetOf(task, options);
      await withBroker((broker) => resumeSchedule(broker, target));
      print({ ...target, paused: false }, options, () => `resumed ${task}${options.vo ? ` of ${options.vo}` : ""}`);
    },
  );
  return [pause, resume];
}
