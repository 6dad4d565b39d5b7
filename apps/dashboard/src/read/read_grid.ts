// Tested by apps/dashboard/src/serve/serve_test.ts
import { myPilotLock } from "@muster/pilot-tasks";
import {
  listLocks,
  listQueues,
  pausesHolding,
  type QueuePause,
  readConfiguration,
  type ShownLock,
  type WorkerRecord,
} from "@muster/tasks/operate";
import type { CesData, LocksData, QueueData, WorkersData } from "./shapes.ts";
import { shared } from "./shared.ts";
import type { Sources } from "./sources.ts";

/** Age up to which what was read for one viewer does for the next one, ms. */
const FRESH_MS = 1_500;

/** The same for queues, whose rates are counted in the stream of events, ms. */
const QUEUES_FRESH_MS = 4_000;

/** A pause as pages and the API have it. */
function pauseData({ target: { task, vo }, note }: QueuePause): QueueData["pauses"][number] {
  const { pausedAt, by, reason } = note;
  return { task: task ?? null, vo: vo ?? null, pausedAt: pausedAt ?? null, by: by ?? null, reason: reason ?? null };
}

function waitingFor({ waiting }: Pick<ShownLock, "waiting">): number {
  return waiting.reduce((sum, { count }) => sum + count, 0);
}

function lockData(lock: ShownLock): LocksData["locks"][number] {
  const { key, kind, leases, begun, value } = lock;
  return {
    ...{ key, kind, begun: begun ?? null, waiting: waitingFor(lock), value: value ?? null },
    leases: leases.map(({ mode, ...lease }) => ({ ...lease, mode: mode ?? null })),
  };
}

function workerData({
  name,
  host,
  pid,
  startedAt,
  permits,
  tasks,
  lockLines = [],
  version,
  memory,
  lagMs,
  inHand,
  draining = false,
}: WorkerRecord): WorkersData["workers"][number] {
  return {
    ...{ name, host, pid, startedAt, permits, tasks: [...tasks] },
    waitingForLocks: lockLines.reduce((sum, { count }) => sum + count, 0),
    ...{ version: version ?? null, memoryBytes: memory ?? null, lagMs: lagMs ?? null },
    ...{ running: inHand?.running ?? null, draining },
  };
}

/** The readers of CEs, queues, locks and workers. */
export function gridReaders({ broker, feed, composition }: Pick<Sources, "broker" | "feed" | "composition">) {
  const locks = shared((_: undefined) => listLocks(broker), FRESH_MS);
  const queues = shared(async (_: undefined) => {
    const configuration = await readConfiguration(broker);
    return await listQueues(broker, { tasks: composition.tasks, configuration });
  }, QUEUES_FRESH_MS);

  return {
    async ces(): Promise<CesData> {
      const { atMs, ces = [] } = feed.figures();
      const byKey = new Map((await locks(undefined)).map((lock) => [lock.key, lock]));
      return {
        at: new Date(atMs).toISOString(),
        ces: ces.map(({ name, enabled, capacity, successRate, vos, active }) => {
          const lock = byKey.get(myPilotLock.mutex(name).key);
          const lease = lock?.leases[0];
          return {
            ...{ name, enabled, capacity, successRate, allowedVos: vos === null ? null : [...vos], vos: [...active] },
            active: active.reduce((sum, { submitted, running }) => sum + submitted + running, 0),
            lock:
              lease === undefined
                ? null
                : { worker: lease.worker, taskId: lease.taskId, since: lease.since, leftMs: lease.leftMs },
            waitingForLock: lock === undefined ? 0 : waitingFor(lock),
          };
        }),
      };
    },

    async queue(): Promise<QueueData> {
      const { atMs, pauses } = feed.figures();
      return {
        at: new Date(atMs).toISOString(),
        queues: (await queues(undefined)).map(({ ready: _ready, ...queue }) => {
          return { ...queue, paused: pausesHolding(pauses, queue.task, queue.vo).length > 0 };
        }),
        pauses: pauses.map(pauseData),
      };
    },

    async locks(): Promise<LocksData> {
      return { locks: (await locks(undefined)).map(lockData) };
    },

    async workers(): Promise<WorkersData> {
      return { workers: [...feed.figures().workers].sort((a, b) => (a.name < b.name ? -1 : 1)).map(workerData) };
    },
  };
}
