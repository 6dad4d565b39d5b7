// Tested by tests/src/worker/by_hand_test.ts
// Tested by libs/tasks/src/pull/first_deliveries_test.ts
import { type ConsumerInfo, JetStreamApiError } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import { createDeviationReport } from "../streams/deviations.ts";
import { askAsMuster } from "../connection/own_requests.ts";
import type { Difference } from "../streams/settings_check.ts";
import { isStreamGone, TASKS } from "../streams/streams.ts";
import { type TaskAddress, taskSubject } from "../format/subject.ts";
import { Lane, type LaneIdentity } from "../policy/lane.ts";
import {
  findLaneDifferences,
  type FoundConsumer,
  INACTIVE_MS,
  isOutdated,
  laneConfig,
  laneName,
  laneOf,
  STATE_FIELD,
} from "./lane_needs.ts";

/** JetStream's error code for a consumer of that name with other settings. */
const CONSUMER_EXISTS = 10148;

/** Age from which a consumer was certainly not made just now by another worker, ms. */
const OLD_MS = 1_000;

/** The age of a consumer, ms, by the server's clock alone; undefined: the server does not tell the time. */
function ageOf({ created, ts }: Pick<ConsumerInfo, "created" | "ts">): number | undefined {
  return ts === undefined ? undefined : Date.parse(ts) - Date.parse(created);
}

/**
 * Whether somebody has deleted the lane's consumer. It was there so recently that it cannot have lapsed, and the server was not restarted
 * since. The one that is there now was made later.
 *
 * Where a pull finds nobody, the consumer may also be without a leader. Then the old one is still there.
 */
function wasDeleted({ seenAtMs }: Lane, found: ConsumerInfo): boolean {
  if (seenAtMs === undefined) return false;
  const sinceMs = performance.now() - seenAtMs;
  return sinceMs < INACTIVE_MS / 2 && (ageOf(found) ?? 0) < sinceMs;
}

/** Makes a lane of which nothing is known yet. */
export function newLane({ number, definition, vo }: Pick<LaneIdentity, "number" | "definition" | "vo">): Lane {
  const address = { task: definition.name, vo };
  return new Lane({ number, definition, vo, consumer: laneName(address), subject: taskSubject(address) });
}

/** Makes the consumer anew. Everything that it had delivered and that was not acknowledged is delivered again. */
async function replaceConsumer(broker: Broker, lane: TaskAddress): Promise<void> {
  await askAsMuster(broker.nc, `$JS.API.CONSUMER.DELETE.${TASKS}.${laneName(lane)}`);
  await broker.briefJsm.consumers.add(TASKS, laneConfig(lane, broker.copies.of(TASKS)));
}

async function updateConsumer(
  broker: Broker,
  lane: TaskAddress,
  { config }: Pick<ConsumerInfo, "config">,
): Promise<void> {
  const { description, durable_name: _name, metadata, ...settings } = laneConfig(lane, broker.copies.of(TASKS));
  const changed = {
    ...settings,
    // A field that is undefined would keep its old value; these values remove it.
    ...{ backoff: [], headers_only: false, max_batch: 0, max_bytes: 0, max_expires: 0 },
    ...(isOutdated(config) && !config.description ? { description } : {}),
    metadata: { ...config.metadata, ...metadata },
  };
  // The filters that an older version has set. The server refuses a consumer with both, and the client's types know no removal.
  Reflect.set(changed, "filter_subjects", undefined);
  await broker.briefJsm.consumers.update(TASKS, laneName(lane), changed);
}

/** Lists what is wrong with a lane's consumer. Looks at TASKS where the number of its copies may have changed meanwhile. */
async function differencesOf(broker: Broker, lane: TaskAddress, found: FoundConsumer): Promise<readonly Difference[]> {
  const { copies, briefJsm } = broker;
  const differences = findLaneDifferences(lane, found, copies.of(TASKS));
  if (!differences.some(({ field }) => field === STATE_FIELD)) return differences;
  copies.note(await briefJsm.streams.info(TASKS));
  return findLaneDifferences(lane, found, copies.of(TASKS));
}

/**
 * Restores the settings of a lane's consumer that somebody changed by hand. Returns the settings that were wrong.
 *
 * The consumer is made anew where the server refuses the change, and where messages may have reached a limit of deliveries.
 */
export async function mendConsumer(
  broker: Broker,
  lane: TaskAddress,
  info: Pick<ConsumerInfo, "config" | "paused">,
): Promise<readonly Difference[]> {
  const differences = await differencesOf(broker, lane, info);
  if (differences.length === 0 && !isOutdated(info.config)) return [];
  if (differences.some(({ field }) => field === "max_deliver" || field === STATE_FIELD)) {
    await replaceConsumer(broker, lane);
    return differences;
  }
  if (info.paused) await broker.briefJsm.consumers.resume(TASKS, laneName(lane));
  try {
    await updateConsumer(broker, lane, info);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || differences.length === 0) throw error;
    await replaceConsumer(broker, lane);
  }
  return differences;
}

/** Restores a lane's consumer as {@linkcode mendConsumer} does, and raises an alarm. */
export async function mendAndTell(
  broker: Broker,
  lane: TaskAddress,
  info: Pick<ConsumerInfo, "config" | "paused">,
): Promise<void> {
  const all = await mendConsumer(broker, lane, info);
  const differences = all.filter(({ field }) => field !== STATE_FIELD);
  if (differences.length < all.length) {
    const where = broker.copies.of(TASKS) === 1 ? "in memory" : "on file";
    broker.observer.note(`Consumer ${laneName(lane)} was made again with its state ${where}, as TASKS has its copies`);
  }
  if (differences.length === 0) return;
  const report = createDeviationReport(broker.observer, broker.keepIncident);
  report({ stream: `consumer ${laneName(lane)}`, differences, isByHand: true, refusal: undefined });
}

/** Lists what somebody changed by hand in the lanes' consumers and is still changed now. */
export async function inspectConsumers({ jsm }: Pick<Broker, "jsm">): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  const { config } = await jsm.streams.info(TASKS);
  for await (const info of jsm.consumers.list(TASKS)) {
    const lane = laneOf(info);
    if (lane !== undefined) differences.push(...findLaneDifferences(lane, info, config.num_replicas));
  }
  return differences;
}

async function addConsumer(broker: Broker, lane: TaskAddress): Promise<ConsumerInfo> {
  const add = () => broker.briefJsm.consumers.add(TASKS, laneConfig(lane, broker.copies.of(TASKS)));
  try {
    return await add();
  } catch (error) {
    if (isStreamGone(error)) {
      await broker.declareMissing();
      return await add();
    }
    if (!(error instanceof JetStreamApiError) || error.code !== CONSUMER_EXISTS) throw error;
    const found = await broker.briefJsm.consumers.info(TASKS, laneName(lane));
    await mendAndTell(broker, lane, found);
    return await broker.briefJsm.consumers.info(TASKS, laneName(lane));
  }
}

/**
 * Creates the lane's consumer, or finds the one that is there. `was there`: it has been there for a while, so that a pull which found nobody
 * met a change of its leader.
 */
export async function createLaneConsumer(broker: Broker, lane: Lane): Promise<"made" | "was there"> {
  const found = await addConsumer(broker, { task: lane.definition.name, vo: lane.vo });
  if (wasDeleted(lane, found)) {
    const text = `Consumer ${lane.consumer} had gone and was created again`;
    broker.observer.alarm(text);
    broker.keepIncident({ kind: "gone", about: `consumer ${lane.consumer}`, text });
  }
  lane.noteConsumer(Date.parse(found.created) + 1, performance.now());
  return (ageOf(found) ?? 0) > OLD_MS ? "was there" : "made";
}
