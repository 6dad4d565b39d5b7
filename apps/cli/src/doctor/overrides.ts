// Tested by apps/cli/src/doctor/overrides_test.ts
import { configurationWarnings } from "@muster/app/configuration";
import { escapeControls } from "@muster/service";
import type { AnyTask, Broker } from "@muster/tasks";
import {
  type Configuration,
  fileOf,
  findConfiguration,
  instanceProblems,
  listWorkers,
  type WorkerRecord,
} from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { knownTasks } from "../run/extensions.ts";
import { type Finding, good, warning } from "./finding.ts";

const ABOUT = "overrides";
/** Largest number of overrides that are named. The others are counted. */
const NAMED = 20;
const MEND = "mend it or take it out with `muster config apply`";

type Settings = Configuration["tasks"][string];

/** Limits that are higher than what all permits of the running workers let run anyway. */
function idleLimits(
  { tasks }: Configuration,
  workers: readonly WorkerRecord[],
  known: readonly AnyTask[],
): readonly string[] {
  return Object.entries(tasks).flatMap(([task, settings]) => {
    const running = workers.filter((worker) => worker.draining !== true && worker.tasks.includes(task));
    // A medium or large task runs in a thread, and workers tell only their permits.
    const size = known.find(({ name }) => name === task)?.size ?? "small";
    if (running.length === 0 || size !== "small") return [];
    const permits = running.reduce((sum, worker) => sum + worker.permits, 0);
    const who = `${count(running.length, "worker")} that ${running.length === 1 ? "runs" : "run"} ${task}`;
    const why = `the ${who} ${running.length === 1 ? "has" : "have"} ${count(permits, "permit")} together`;
    return idleOf(task, settings, permits).map(
      ([path, limit]) => `${path} is ${limit}, and ${why}, so it limits nothing; give fewer, or start more workers`,
    );
  });
}

function idleOf(task: string, { concurrency, vos = {} }: Settings, permits: number): readonly [string, number][] {
  const given: [string, Settings["concurrency"]][] = [
    [`tasks.${task}.concurrency`, concurrency],
    ...Object.entries(vos).map(([vo, of]): [string, Settings["concurrency"]] => [
      `tasks.${task}.vos.${vo}.concurrency`,
      of.concurrency,
    ]),
  ];
  return given.flatMap(([path, limit]) => (typeof limit === "number" && limit > permits ? [[path, limit]] : []));
}

/** Everything that the configuration says validly and that has no effect, one line each. */
export function idleOverrides(
  configuration: Configuration,
  workers: readonly WorkerRecord[],
  known: readonly AnyTask[],
): readonly string[] {
  const file = fileOf(configuration);
  const read = { kind: "good", file, placeOf: () => ({ line: 1, column: 1 }) } as const;
  const served = workers.flatMap(({ tasks }) => tasks);
  const doubtful = configurationWarnings(read, known, served).map(({ text }) => `${text}; ${MEND}`);
  const refused = known.flatMap((task) =>
    instanceProblems(task, configuration.tasks[task.name] ?? {}).map(({ message }) => `${message}; ${MEND}`),
  );
  const told = workers.flatMap(({ unusable = [] }) => unusable);
  return [...new Set([...told, ...refused, ...doubtful, ...idleLimits(configuration, workers, known)])];
}

/** Reports what the configuration says, and what cannot act, with what to do. */
export async function examineOverrides(broker: Broker): Promise<readonly Finding[]> {
  const { configuration } = await findConfiguration(broker);
  const found = idleOverrides(configuration, await listWorkers(broker), await knownTasks());
  if (found.length === 0) return [good(ABOUT, "what the configuration says of tasks and limits can act")];
  const named = found.slice(0, NAMED).map((text) => warning(ABOUT, escapeControls(text)));
  const more = found.length - named.length;
  return more === 0 ? named : [...named, warning(ABOUT, `${count(more, "more override")} that cannot act`)];
}
