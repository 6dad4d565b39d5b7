// Tested by tests/src/worker/by_hand_test.ts
import { AckPolicy, type ConsumerConfig, type ConsumerInfo, DeliverPolicy, ReplayPolicy } from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import { isDeepStrictEqual } from "node:util";
import { NO_VO } from "../format/names.ts";
import { type Difference, showSetting } from "../streams/settings_check.ts";
import { ACK_WAIT_MS, SETTINGS_VERSION, settingsVersionOf, VERSION_KEY } from "../streams/streams.ts";
import { parseTaskSubject, type TaskAddress, taskSubject } from "../format/subject.ts";
import { escapeToken, unescapeToken } from "../format/token.ts";

/** Time after which the server removes the consumer of a lane that nobody pulls, ms. The next pull creates it again. */
export const INACTIVE_MS = 300_000;

type Config = Partial<ConsumerConfig>;

/** The name of a lane's consumer. It is wire format, shared by all workers. */
export function laneName({ task, vo }: TaskAddress): string {
  return `${task}__${escapeToken(vo)}`;
}

/**
 * The settings that a lane's consumer must have, where TASKS has so many copies.
 *
 * Of one copy the state is kept in memory. A restart of the server then forgets what is in flight, and delivers it again. State on file would
 * cost half the publish rate at 2,000 lanes.
 *
 * Of several copies it is on file. A server that was restarted without it may not help to elect a leader. After the loss of two of three
 * servers the lane would wait for all three (decision 76).
 */
function settingsOf(lane: TaskAddress, copies: number): Config {
  return {
    filter_subjects: [taskSubject(lane)],
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ACK_WAIT_MS),
    // We count failed runs ourselves: a message that has reached the server's limit would stay in the stream, unseen.
    max_deliver: -1,
    max_ack_pending: -1,
    mem_storage: copies === 1,
    inactive_threshold: nanos(INACTIVE_MS),
  };
}

/** Further settings that must have the server's default. Settings that are named nowhere here are the operator's. */
const NEUTRAL: Readonly<Record<string, unknown>> = {
  replay_policy: ReplayPolicy.Instant,
  headers_only: false,
  backoff: undefined,
  deliver_subject: undefined,
  priority_groups: undefined,
  max_batch: 0,
  max_bytes: 0,
  max_expires: 0,
};

/** The configuration with which a lane's consumer is created, where TASKS has so many copies. */
export function laneConfig(lane: TaskAddress, copies: number): Config {
  const { filter_subjects: _several, ...settings } = settingsOf(lane, copies);
  return {
    // One filter alone stands in the subject of the request too. There the rights of NATS tell whose lane it is.
    filter_subject: taskSubject(lane),
    durable_name: laneName(lane),
    description: `Muster: ${lane.task}${lane.vo === NO_VO ? "" : ` of VO ${lane.vo}`}, one for all workers`,
    metadata: { [VERSION_KEY]: String(SETTINGS_VERSION) },
    ...settings,
  };
}

const EFFECTS: Readonly<Record<string, string>> = {
  filter_subjects: "tasks are not delivered, or to the wrong lane",
  ack_wait: "a task runs twice at once, or comes back late after a crash",
  max_deliver: "a task that is handed back stays in the stream and is never delivered again",
  max_ack_pending: "tasks wait although workers are free",
  backoff: "a task runs twice at once, or comes back late after a crash",
  mem_storage: "publishing is slow, or its tasks wait for servers that are down",
  paused: "its tasks are not delivered",
  headers_only: "tasks come without their payload",
  priority_groups: "workers' pulls are refused",
};

function foundValue(config: Config, field: string): unknown {
  if (field !== "filter_subjects") return Reflect.get(config, field) ?? NEUTRAL[field];
  return config.filter_subjects ?? (config.filter_subject === undefined ? [] : [config.filter_subject]);
}

function serves(field: string, found: unknown, needed: unknown): boolean {
  if (field === "inactive_threshold") return Number(found) >= Number(needed);
  // The server leaves out a field that is false.
  return isDeepStrictEqual(found ?? false, needed ?? false) || (found === -1 && needed === 0);
}

/** Whether an older Muster, or none, has written these settings. */
export function isOutdated(config: Config): boolean {
  return (settingsVersionOf(config) ?? 0) < SETTINGS_VERSION;
}

/** A lane's consumer as the server tells of it. */
export interface FoundConsumer {
  readonly config: Config;
  readonly paused?: boolean | undefined;
}

/** Where a lane keeps its state: the field that follows the number of copies of TASKS, and so is nobody's change by hand. */
export const STATE_FIELD = "mem_storage";

/** Compares a lane's consumer with the settings that it must have. One that a newer Muster has written is left alone. */
export function findLaneDifferences(
  lane: TaskAddress,
  { config, paused }: FoundConsumer,
  copies: number,
): readonly Difference[] {
  if ((settingsVersionOf(config) ?? 0) > SETTINGS_VERSION) return [];
  const difference = (field: string, found: unknown, needed: unknown): Difference => ({
    ...{ stream: `consumer ${laneName(lane)}`, field, canBeSetBack: "yes" },
    ...{ found: showSetting(field, found), needed: showSetting(field, needed) },
    effect: EFFECTS[field] ?? "Muster's promises rest on it",
  });
  const differences = Object.entries({ ...NEUTRAL, ...settingsOf(lane, copies) }).flatMap(([field, needed]) => {
    const found = foundValue(config, field);
    return serves(field, found, needed) ? [] : [difference(field, found, needed)];
  });
  return paused === true ? [...differences, difference("paused", true, false)] : differences;
}

function addressOf(task: string, token: string): TaskAddress | undefined {
  try {
    return parseTaskSubject(`tasks.${task}.${unescapeToken(token)}`);
  } catch {
    return undefined; // none of ours
  }
}

/**
 * The task and VO of a consumer on TASKS; undefined: it is none of ours. They are read from its name. Where the name can be read in two
 * ways, the filter decides.
 */
export function laneOf({ name, config }: Pick<ConsumerInfo, "name" | "config">): TaskAddress | undefined {
  const lanes: TaskAddress[] = [];
  for (let at = name.indexOf("__"); at > 0; at = name.indexOf("__", at + 1)) {
    const lane = addressOf(name.slice(0, at), name.slice(at + 2));
    if (lane !== undefined) lanes.push(lane);
  }
  const [only] = lanes;
  if (lanes.length === 1) return only;
  return lanes.find((lane) => isDeepStrictEqual(foundValue(config, "filter_subjects"), [taskSubject(lane)]));
}
