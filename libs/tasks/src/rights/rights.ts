// Tested by tests/src/access/users_file_test.ts
// Tested by tests/src/access/system_rights_test.ts
import { USER_INFO } from "../connection/own_rights.ts";
import { NO_VO } from "../format/names.ts";
import { taskSubject } from "../format/subject.ts";
import { laneName } from "../pull/lane_needs.ts";
import { AUDIT, BUCKET_NAMES, DEAD, EVENTS, LATER, STREAM_NAMES, TASKS } from "../streams/stream_needs.ts";

/** What a user of NATS may do: subjects, with wildcards. */
export interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  /** Whether the user may answer a message that reached it, wherever the asker waits. */
  readonly answers: boolean;
}

/** A task, as far as its rights go. */
export interface RightsTask {
  readonly name: string;
  readonly per: "vo" | "all";
}

/** What one worker app runs. */
export interface WorkerLayout {
  readonly tasks: readonly RightsTask[];
  /** The tasks that its runs spawn, as children or callbacks. */
  readonly spawns: readonly RightsTask[];
  /** Lock types that its tasks take. */
  readonly lockTypes: readonly string[];
  readonly vos: readonly string[];
}

const KV_STREAMS = BUCKET_NAMES.map((bucket) => `KV_${bucket}`);
/** How a tally of a lock type begins, beside the type itself. */
const TALLIES = ["_rw", "_rate", "_concurrency"];

const api = (verb: string, ...streams: readonly string[]) => streams.map((stream) => `$JS.API.${verb}.${stream}`);

/** What every process asks of JetStream. */
const EVERYBODY = ["$JS.API.INFO", USER_INFO, ...api("STREAM.INFO", ...STREAM_NAMES)];

/** Watches a bucket's keys, by consumers that the client makes, looks at and removes. */
function watching(bucket: string, keys: string): readonly string[] {
  const stream = `KV_${bucket}`;
  return [
    `$JS.API.CONSUMER.CREATE.${stream}.*.$KV.${bucket}.${keys}`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

/** Reads a stream's messages by consumers. Nobody does so on TASKS and LATER: a consumer there takes tasks away. */
function reading(stream: string): readonly string[] {
  return [
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.INFO.${stream}.*`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.*`,
    `$JS.FC.${stream}.>`,
  ];
}

const ADVISORIES = ["$JS.EVENT.ADVISORY.STREAM.DELETED.*", "$JS.EVENT.ADVISORY.STREAM.UPDATED.*"];

/** Everything that any app and the command line do: for one user for all of them, and for an operator by hand. */
export function operatorRights(): Rights {
  return {
    publish: [
      ...["tasks.>", "later.>", "markers.>", "dead.>", "events.>", "audit.>", "wake.>", "drain.>"],
      ...["$KV.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", USER_INFO],
    ],
    subscribe: [
      ...["wake.>", "drain.>", "events.>", "later.>", "due.>", "$JS.API.>", "$JS.EVENT.ADVISORY.>"],
      ...["$KV.locks.scheduler.>", "$KV.results.cancel.>", "$KV.results.progress.>"],
    ],
    answers: true,
  };
}

/** Publishes all tasks, looks after the streams, and takes no task from a lane. */
export function schedulerRights(): Rights {
  return {
    publish: [
      ...EVERYBODY,
      ...["tasks.>", "later.>", "markers.>", "dead.>", "events.>", "wake.>"],
      ...["$KV.locks.scheduler.>", "$KV.locks.revision.probe", "$KV.schedules.>", "$KV.results.>", "$KV.config.>"],
      ...["STREAM.CREATE", "STREAM.UPDATE", "STREAM.PURGE", "STREAM.MSG.GET", "STREAM.MSG.DELETE"].flatMap((verb) =>
        api(verb, ...STREAM_NAMES),
      ),
      // On a cluster EVENTS is made anew with copies, and TASKS gets another leader where its source is deaf.
      ...[...api("STREAM.DELETE", EVENTS), ...api("STREAM.LEADER.STEPDOWN", TASKS)],
      ...["CREATE", "DURABLE.CREATE", "INFO", "DELETE", "PAUSE"].map((verb) => `$JS.API.CONSUMER.${verb}.${TASKS}.>`),
      `$JS.API.CONSUMER.LIST.${TASKS}`,
      ...[...watching("config", "current"), ...watching("schedules", ">"), ...watching("results", ">")],
      ...[...reading(EVENTS), ...reading(DEAD)],
    ],
    subscribe: [
      ...["wake._storage", "later.>", "due.>", ...ADVISORIES],
      ...["CREATE", "DURABLE.CREATE", "PAUSE", "DELETE"].map((verb) => `$JS.API.CONSUMER.${verb}.${TASKS}.>`),
      ...["$JS.API.STREAM.PURGE.*", `$JS.API.STREAM.MSG.DELETE.${LATER}`],
      ...["$KV.locks.scheduler.>", "$KV.results.cancel.>"],
    ],
    answers: false,
  };
}

/** The lanes of a task: one for each VO, or one for all. */
function lanesOf({ name, per }: RightsTask, vos: readonly string[]): readonly string[] {
  return (per === "vo" ? vos : [NO_VO]).flatMap((vo) => {
    const lane = laneName({ task: name, vo });
    return [
      `$JS.API.CONSUMER.CREATE.${TASKS}.${lane}.${taskSubject({ task: name, vo })}`,
      ...["INFO", "MSG.NEXT", "DELETE", "PAUSE"].map((verb) => `$JS.API.CONSUMER.${verb}.${TASKS}.${lane}`),
      `$JS.ACK.${TASKS}.${lane}.>`,
    ];
  });
}

/** Writes the locks of these types and tasks: a lock, and the tallies of read-write locks and limiters. */
function locking({ lockTypes, tasks }: WorkerLayout): readonly string[] {
  const periodic = tasks.flatMap(({ name }) => [`periodic.${name}`, `periodic.${name}.>`]);
  const limits = tasks.flatMap(({ name }) => [`_task.${name}`, `_task.${name}.>`]);
  const typed = lockTypes.map((type) => `${type}.>`);
  const keys = [
    ...typed,
    ...periodic,
    ...TALLIES.flatMap((tally) => [...typed, ...limits].map((key) => `${tally}.${key}`)),
  ];
  // A worker that finds the bucket's revisions fallen raises them, which is a purge.
  return [...keys, "revision.probe"].map((key) => `$KV.locks.${key}`).concat(api("STREAM.PURGE", "KV_locks"));
}

/** Takes tasks from its own lanes alone, and publishes what its runs spawn. */
export function workerRights(layout: WorkerLayout): Rights {
  const { tasks, spawns, vos } = layout;
  const names = new Set([...tasks, ...spawns].map(({ name }) => name));
  return {
    publish: [
      ...EVERYBODY,
      ...spawns.map(({ name }) => `tasks.${name}.>`),
      ...[...names].map((name) => `later.${name}.>`),
      ...tasks.flatMap(({ name }) => [`dead.${name}.>`, `wake.${name}.>`]),
      ...[...names].map((name) => `events.${name}.>`),
      ...["wake._storage", "$KV.results.>", "$KV.workers.*"],
      ...locking(layout),
      ...api("STREAM.MSG.GET", ...KV_STREAMS),
      ...[...watching("config", "current"), ...watching("schedules", "queue.>")],
      ...[...watching("locks", ">"), ...watching("results", ">")],
      ...tasks.flatMap((task) => lanesOf(task, vos)),
    ],
    subscribe: [
      ...tasks.map(({ name }) => `wake.${name}.>`),
      ...["wake._storage", "drain.*", ...ADVISORIES, "$KV.results.cancel.>"],
    ],
    answers: true,
  };
}

/** Reads everything that the pages show, and writes nothing. */
export function dashboardRights(): Rights {
  return {
    publish: [
      ...EVERYBODY,
      ...api("STREAM.MSG.GET", ...STREAM_NAMES),
      `$JS.API.CONSUMER.LIST.${TASKS}`,
      ...[...reading(EVENTS), ...reading(DEAD), ...reading(AUDIT)],
    ],
    subscribe: ["events.>", "$KV.results.progress.>"],
    answers: false,
  };
}

/** Publishes the tasks of one VO, and nothing else. */
export function publisherRights(vo: string): Rights {
  return { publish: [`tasks.*.${vo}`], subscribe: [], answers: false };
}
