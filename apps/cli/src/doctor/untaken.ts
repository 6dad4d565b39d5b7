import { escapeControls } from "@muster/service";
import { type Broker, NO_VO } from "@muster/tasks";
import {
  listQueuePauses,
  listQueues,
  listWorkers,
  measureClock,
  pausesHolding,
  type QueueFigures,
  readConfiguration,
  type WorkerRecord,
} from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { shortly } from "../print/time.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

const ABOUT = "waiting";
/** Age from which a task waits for long, and time without a delivery from which nobody takes it, ms. */
const LONG_MS = 60_000;
/** Largest number of queues, and of workers of each, that are named. The others are counted. */
const NAMED = 10;
const WORKERS_NAMED = 3;

/** The time by the broker's clock, by which tasks are stored, ms since the epoch. */
async function brokerNow(broker: Broker): Promise<number> {
  return Date.now() - (await measureClock(broker));
}

function namesOf(workers: readonly WorkerRecord[]): string {
  const more = workers.length - WORKERS_NAMED;
  const names = workers.slice(0, WORKERS_NAMED).map(({ name }) => name);
  return `${names.join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

const isFull = ({ inHand, permits }: WorkerRecord) => inHand !== undefined && inHand.running >= permits;

function judge(queue: QueueFigures, knowing: readonly WorkerRecord[], ageMs: number): Finding {
  const what = `${count(queue.waiting, "task")} ${queue.task} of ${queue.vo === NO_VO ? "no VO" : `VO ${queue.vo}`} ${queue.waiting === 1 ? "waits" : "wait"}, the oldest for ${shortly(ageMs)}, and nobody has taken one for a minute`;
  const say = (judged: typeof bad, why: string) => judged(ABOUT, escapeControls(`${what}: ${why}`));
  const able = knowing.filter(({ problems = [] }) => problems.length === 0);
  if (able.length === 0) return say(bad, `${namesOf(knowing)} cannot; see workers`);
  if (queue.inHand > 0)
    return say(
      warning,
      `${queue.inHand} are in hand, and run or wait for a lock; see \`muster worker list\` and \`muster lock list\``,
    );
  if (able.every(isFull)) return say(warning, `all permits of ${namesOf(able)} are taken; start more workers`);
  return say(
    bad,
    `${namesOf(able.filter((worker) => !isFull(worker)))} could; see its log, and \`nats consumer report TASKS\`; a new start of it pulls anew`,
  );
}

/**
 * Reports tasks that have waited for more than a minute while none of their queue was taken. Not those that are paused, whose VO is not
 * configured or that no worker knows: other findings tell of these. `now` tells the broker's time.
 */
export async function examineWaiting(broker: Broker, now = brokerNow): Promise<readonly Finding[]> {
  const [configuration, pauses, queues] = [
    await readConfiguration(broker),
    await listQueuePauses(broker),
    await listQueues(broker, { rates: "none" }),
  ];
  const workers = (await listWorkers(broker)).filter(({ draining }) => draining !== true);
  const nowMs = await now(broker);
  const msSince = (at: string | null) => (at === null ? Number.POSITIVE_INFINITY : nowMs - Date.parse(at));
  const found = queues.flatMap((queue): Finding[] => {
    const { task, vo, waiting, oldestAt, lastTakenAt } = queue;
    const knowing = workers.filter(({ tasks }) => tasks.includes(task));
    const isConfigured = vo === NO_VO || configuration.vos[vo]?.state === "active";
    if (waiting === 0 || oldestAt === null || knowing.length === 0 || !isConfigured) return [];
    if (msSince(oldestAt) < LONG_MS || msSince(lastTakenAt) < LONG_MS) return [];
    if (pausesHolding(pauses, task, vo).length > 0) return [];
    return [judge(queue, knowing, msSince(oldestAt))];
  });
  if (found.length === 0) return [good(ABOUT, "no task has waited for a minute that a running worker could take")];
  const named = found.slice(0, NAMED);
  const more = found.length - named.length;
  return more === 0 ? named : [...named, bad(ABOUT, `${count(more, "more queue")}; see \`muster queue list\``)];
}
