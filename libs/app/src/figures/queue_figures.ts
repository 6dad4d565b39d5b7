// Tested by libs/app/src/figures/queue_figures_test.ts
import type { KnownVos } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { countDeadByQueue, listQueues, listWorkers } from "@muster/tasks/operate";
import type { Figure, FigureSource } from "./figures.ts";

/** The label of tasks that no app here knows. Anybody may publish under any name. */
const OTHER = "other";

const METRICS = [
  { name: "muster_queue_waiting_tasks", help: "Tasks that wait for a worker.", labels: ["task", "vo"] },
  {
    name: "muster_queue_in_hand_tasks",
    help: "Tasks that a worker has: they run, are buffered or wait for a lock.",
    labels: ["task", "vo"],
  },
  {
    name: "muster_queue_delayed_tasks",
    help: "Tasks that wait for their time or their retry.",
    labels: ["task", "vo"],
  },
  {
    name: "muster_queue_oldest_age_seconds",
    help: "Age of the oldest task that waits for a worker.",
    labels: ["task", "vo"],
  },
  { name: "muster_dead_letters", help: "Dead letters that are kept.", labels: ["task", "vo"] },
];

/** Age of what was stored then, s; 0 where nothing waits. A clock of this machine that is behind makes no negative age. */
function ageOf(storedAt: string | null): number {
  return storedAt === null ? 0 : Math.max(0, (Date.now() - Date.parse(storedAt)) / 1_000);
}

/** Adds up figures that have the same labels; of ages the greatest counts. */
function merged(figures: readonly Figure[]): readonly Figure[] {
  const all = new Map<string, Figure>();
  for (const figure of figures) {
    const key = JSON.stringify([figure.metric, ...figure.labels]);
    const before = all.get(key)?.value ?? 0;
    const isAge = figure.metric.endsWith("_seconds");
    all.set(key, { ...figure, value: isAge ? Math.max(before, figure.value) : before + figure.value });
  }
  return [...all.values()];
}

/** Names of all tasks that the scheduler knows or that some worker runs. Asks for the workers only where it must. */
async function namesKnown(
  broker: Broker,
  own: ReadonlySet<string>,
  found: readonly { readonly task: string }[],
): Promise<ReadonlySet<string>> {
  if (found.every(({ task }) => own.has(task))) return own;
  return new Set([...own, ...(await listWorkers(broker)).flatMap(({ tasks }) => tasks)]);
}

/** What waits, runs and was given up, by task and VO. `tasks` are the names that the scheduler knows. */
export function queueFigures(broker: Broker, vos: KnownVos, tasks: readonly string[]): FigureSource {
  const own = new Set(tasks);
  return {
    what: "the queues",
    metrics: METRICS,
    async read() {
      const [queues, dead] = await Promise.all([listQueues(broker, { rates: "none" }), countDeadByQueue(broker)]);
      const known = await namesKnown(broker, own, [...queues, ...dead]);
      const labelsOf = ({ task, vo }: { readonly task: string; readonly vo: string }) => [
        known.has(task) ? task : OTHER,
        vos.labelOf(vo),
      ];
      return merged([
        ...queues.flatMap((queue): Figure[] => {
          const labels = labelsOf(queue);
          return [
            { metric: "muster_queue_waiting_tasks", labels, value: queue.waiting },
            { metric: "muster_queue_in_hand_tasks", labels, value: queue.inHand },
            { metric: "muster_queue_delayed_tasks", labels, value: queue.delayed },
            { metric: "muster_queue_oldest_age_seconds", labels, value: ageOf(queue.oldestAt) },
          ];
        }),
        ...dead.map((each): Figure => ({ metric: "muster_dead_letters", labels: labelsOf(each), value: each.count })),
      ]);
    },
  };
}
