import { pilotTasks } from "@muster/pilot-tasks";
import { type Configuration, NO_VO } from "@muster/tasks";
import { UsageError } from "./failure.ts";

/** A task that this program knows. */
export type KnownTask = (typeof pilotTasks)[number];

/** The known task of this name, or undefined. */
export function findTask(name: string): KnownTask | undefined {
  return pilotTasks.find((task) => task.name === name);
}

/** The known task of this name. Throws {@linkcode UsageError} with the names that there are. */
export function taskNamed(name: string): KnownTask {
  const task = findTask(name);
  if (task !== undefined) return task;
  const names = pilotTasks.map((each) => each.name).join(", ");
  throw new UsageError(`There is no task ${JSON.stringify(name)}; there are ${names}`);
}

/** Throws where `vo` names a VO that is not active: what is published for it would become a dead letter. */
export function checkActive({ vos }: Configuration, vo: string | undefined): void {
  if (vo === undefined || vo === NO_VO || vos[vo]?.state === "active") return;
  const names = Object.keys(vos).filter((name) => vos[name]?.state === "active");
  const known = names.length === 0 ? "there is none yet" : `there are ${names.slice(0, 20).join(", ")}`;
  throw new Error(`VO ${JSON.stringify(vo)} is not configured (${known}); add it with \`muster vo add ${vo}\``);
}
