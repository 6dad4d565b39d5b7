import { createTasksInForce, describeUnusable, type TasksInForce } from "../configuration/tasks_in_force.ts";
import type { WorkerParts } from "./worker_parts.ts";

/** A worker's tasks as the configuration has them. Tells of each timeout that cannot be used, once. */
export function tasksInForce({ broker, configuration, ledger }: WorkerParts): TasksInForce {
  const told = new Set<string>();
  return createTasksInForce({
    configuration: () => configuration.current,
    longestMs: ledger?.transactionTimeoutMs,
    onUnusable(found) {
      const text = describeUnusable(found);
      if (told.has(text)) return;
      told.add(text);
      broker.observer.alarm(text, { task: found.task, vo: found.vo });
      broker.keepIncident({ kind: "configuration", about: `timeout of ${found.task}`, text });
    },
  });
}
