// Tested by apps/dashboard/src/serve/serve_test.ts
import * as z from "zod";

/** The forms of all that the pages show and the API returns. Times are RFC 3339 in UTC. A missing value is null. */
const time = z.iso.datetime();
const whole = z.int().min(0);
const vo = z.string().meta({ description: "The VO, or _ for a task that is not per VO" });

export const Trouble = z.object({ server: z.enum(["NATS", "PostgreSQL"]), reason: z.string() });

export const Attention = z.object({
  level: z.enum(["warn", "bad"]),
  text: z.string(),
  href: z.string().meta({ description: "The page that shows it" }),
});

export const Interval = z.object({
  at: time,
  seconds: z.number().meta({ description: "Its length" }),
  started: whole,
  done: whole,
  retried: whole,
  lost: whole.meta({ description: "Dead letters, dropped and refused tasks" }),
  startLatencyMs: z.object({ p50: z.number(), p95: z.number(), p99: z.number() }).nullable(),
});

export const Event = z.object({
  step: z.string(),
  task: z.string(),
  vo,
  taskId: z.string(),
  attempt: z.number(),
  at: z.string(),
  worker: z.string(),
  tookMs: z.number().nullable(),
  reason: z.string().nullable(),
});

export const Overview = z.object({
  at: time,
  since: time.meta({ description: "What happened before is not counted" }),
  troubles: z.array(Trouble),
  attention: z.array(Attention),
  waiting: whole.meta({ description: "Not yet delivered to a worker" }),
  inHand: whole.meta({ description: "Delivered to a worker and not settled" }),
  delayed: whole,
  deadLetters: whole,
  workers: whole,
  permits: whole,
  donePerMinute: z.number(),
  lostPerMinute: z.number(),
  startLatencyMs: z.object({ p50: z.number(), p95: z.number(), p99: z.number() }).nullable(),
  activePilots: whole.nullable(),
  slots: whole.nullable(),
  intervals: z
    .array(Interval)
    .meta({ description: "The last half hour, or the first five minutes after a start; oldest first" }),
  waitingByVo: z.array(
    z.object({
      vo,
      waiting: z.array(whole.nullable()).meta({ description: "One for each interval; null: not known" }),
    }),
  ),
  events: z.array(Event).meta({ description: "The newest first" }),
});

export const Ce = z.object({
  name: z.string(),
  enabled: z.boolean(),
  capacity: whole,
  active: whole,
  successRate: z.number(),
  allowedVos: z.array(z.string()).nullable().meta({ description: "null: all" }),
  vos: z.array(z.object({ vo: z.string(), submitted: whole, running: whole })),
  lock: z.object({ worker: z.string(), taskId: z.string(), since: z.string(), leftMs: z.number() }).nullable(),
  waitingForLock: whole,
});
export const Ces = z.object({ at: time, ces: z.array(Ce) });

export const Pause = z.object({
  task: z.string().nullable(),
  vo: z.string().nullable(),
  pausedAt: z.string().nullable(),
  by: z.string().nullable(),
  reason: z.string().nullable(),
});

export const QueueRow = z.object({
  ...{ task: z.string(), vo, priority: z.string().nullable() },
  waiting: whole.meta({ description: "Not yet delivered to a worker" }),
  inHand: whole.meta({ description: "Delivered to a worker and not settled" }),
  ...{ delayed: whole, oldestAt: z.string().nullable(), endedPerMinute: z.number().nullable() },
  lastTakenAt: z.string().nullable().meta({ description: "When a worker was last given a task of it" }),
  paused: z.boolean(),
});
export const Queue = z.object({ at: time, queues: z.array(QueueRow), pauses: z.array(Pause) });

export const WaitingTask = z.object({
  ...{ sequence: whole, task: z.string(), vo, taskId: z.string(), attempt: whole, storedAt: time },
  payload: z.string().meta({ description: "The beginning of the message's body" }),
  bytes: whole,
});
export const WaitingPage = z.object({ tasks: z.array(WaitingTask), next: whole.nullable() });

export const Events = z.object({ events: z.array(Event) });

const state = z
  .string()
  .meta({ description: "waiting, delayed, running, done, dead, dropped, cancelled, refused, unknown" });
export const Task = z.object({
  ...{ taskId: z.string(), task: z.string().nullable(), vo: z.string().nullable(), state },
  stream: z.enum(["TASKS", "LATER", "DEAD"]).nullable(),
  attempt: z.number().nullable(),
  dueAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  worker: z.string().nullable(),
  progress: z
    .object({ done: z.number(), total: z.number().nullable(), note: z.string().nullable(), at: z.string() })
    .nullable(),
  errors: z.array(z.string()),
  parent: z.string().nullable(),
  children: z.array(z.object({ taskId: z.string(), task: z.string(), vo })),
  result: z.string().nullable().meta({ description: "What it returned, as JSON text" }),
  timeline: z.array(
    z.object({
      ...{ step: z.string(), attempt: z.number(), at: z.string(), worker: z.string() },
      ...{ tookMs: z.number().nullable(), reason: z.string().nullable() },
    }),
  ),
  notes: z.array(z.string()),
});

export const Group = z.object({
  ...{ id: z.string(), state: z.string(), total: whole, ended: whole, failed: whole },
  ...{ parent: z.string(), policy: z.string(), sealedAt: z.string(), deadlineAt: z.string() },
  callback: z.object({ task: z.string(), vo, taskId: z.string(), outcome: z.string().nullable() }),
  open: z.boolean(),
});
export const Groups = z.object({ groups: z.array(Group) });
export const GroupDetails = z.object({
  group: Group,
  children: z
    .array(
      z.object({
        ...{ key: z.string(), outcome: z.string(), task: z.string(), vo, taskId: z.string() },
        error: z.string().nullable(),
      }),
    )
    .meta({ description: "The first 200 that are not done" }),
  notDone: whole,
});

export const ScheduleRow = z.object({
  ...{ task: z.string(), vo, instance: z.string(), schedule: z.string(), timeZone: z.string() },
  state: z.enum(["on", "off", "paused"]),
  last: z.string().nullable(),
  next: z.string().nullable(),
  occupied: z.boolean().meta({ description: "The last occurrence still waits or runs" }),
  leader: z.string().nullable(),
  late: time
    .nullable()
    .meta({ description: "The first time that its leader has not fired, though nothing holds it up; null: all came" }),
  pause: z
    .object({ pausedAt: z.string().nullable(), by: z.string().nullable(), reason: z.string().nullable() })
    .nullable(),
});
export const Schedules = z.object({ schedules: z.array(ScheduleRow) });

export const DeadLetter = z.object({
  ...{ sequence: whole, task: z.string(), vo, taskId: z.string(), attempt: whole },
  ...{ reason: z.string(), deadAt: z.string() },
});
export const DeadPage = z.object({
  total: whole.nullable().meta({ description: "All that match; null: they are being counted, so ask again" }),
  countedAt: time.nullable(),
  letters: z.array(DeadLetter),
  next: whole.nullable().meta({ description: "Give it as `before` to get the next page; null: nothing older is left" }),
});
export const DeadDetails = z.object({
  letter: DeadLetter,
  ...{ subject: z.string(), errors: z.array(z.string()) },
  headers: z.array(z.object({ name: z.string(), value: z.string() })),
  payload: z.string(),
  requeueProblem: z.string().nullable().meta({ description: "Why it cannot be requeued; null: it can" }),
});

export const Lock = z.object({
  ...{ key: z.string(), kind: z.string() },
  leases: z.array(
    z.object({
      ...{ holder: z.string(), worker: z.string(), taskId: z.string(), since: z.string() },
      ...{ mode: z.string().nullable(), leftMs: z.number() },
    }),
  ),
  begun: whole.nullable().meta({ description: "Of a rate: tasks that have begun within its window" }),
  waiting: whole,
  value: z.string().nullable().meta({ description: "Of an entry that somebody stored by hand: its beginning" }),
});
export const Locks = z.object({ locks: z.array(Lock) });

export const Worker = z.object({
  ...{ name: z.string(), host: z.string(), pid: whole, startedAt: z.string(), permits: whole },
  tasks: z.array(z.string()),
  waitingForLocks: whole,
  version: z.string().nullable(),
  memoryBytes: whole.nullable(),
  lagMs: z.number().nullable(),
  running: whole.nullable(),
  draining: z.boolean(),
});
export const Workers = z.object({ workers: z.array(Worker) });

export const Configuration = z.object({
  revision: whole,
  yaml: z.string().meta({ description: "The file that would leave it as it is" }),
  problem: z.string().nullable(),
  unknown: z.array(z.string()),
});

export const AuditRow = z.object({
  ...{ sequence: whole, at: z.string(), who: z.string(), from: z.string(), action: z.string(), target: z.string() },
  detail: z.record(z.string(), z.unknown()).nullable(),
});
export const Audit = z.object({ records: z.array(AuditRow), next: whole.nullable() });

export const Problem = z.object({ error: z.string() });

export type OverviewData = z.output<typeof Overview>;
export type AttentionData = z.output<typeof Attention>;
export type EventData = z.output<typeof Event>;
export type CesData = z.output<typeof Ces>;
export type QueueData = z.output<typeof Queue>;
export type WaitingPageData = z.output<typeof WaitingPage>;
export type EventsData = z.output<typeof Events>;
export type TaskData = z.output<typeof Task>;
export type GroupsData = z.output<typeof Groups>;
export type GroupData = z.output<typeof Group>;
export type GroupDetailsData = z.output<typeof GroupDetails>;
export type SchedulesData = z.output<typeof Schedules>;
export type DeadPageData = z.output<typeof DeadPage>;
export type DeadDetailsData = z.output<typeof DeadDetails>;
export type LocksData = z.output<typeof Locks>;
export type WorkersData = z.output<typeof Workers>;
export type ConfigurationData = z.output<typeof Configuration>;
export type AuditData = z.output<typeof Audit>;
