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
import { findLaneDifferences, INACTIVE_MS, isOutdated, laneConfig, laneName, laneOf } from "./lane_needs.ts";

/** JetStream's answer where a consumer of that name exists with other settings. */
const CONSUMER_EXISTS = 10148;

/** Whether somebody must have deleted the lane's consumer if it is not there now: it has not lapsed yet, and the server was not restarted. */
function hadLane({ seenAtMs }: Lane): boolean {
  return seenAtMs !== undefined && performance.now() - seenAtMs < INACTIVE_MS / 2;
}

/** A lane that nothing is known of yet. */
export function newLane({ number, definition, vo }: Pick<LaneIdentity, "number" | "definition" | "vo">): Lane {
  const address = { task: definition.name, vo };
  return new Lane({ number, definition, vo, consumer: laneName(address), subject: taskSubject(address) });
}

/** Makes the consumer anew. Whatever it had delivered and nobody has acknowledged is delivered again. */
async function replaceConsumer(broker: Broker, lane: TaskAddress): Promise<void> {
  await askAsMuster(broker.nc, `$JS.API.CONSUMER.DELETE.${TASKS}.${laneName(lane)}`);
  await broker.briefJsm.consumers.add(TASKS, laneConfig(lane));
}

async function updateConsumer(
  broker: Broker,
  lane: TaskAddress,
  { config }: Pick<ConsumerInfo, "config">,
): Promise<void> {
  const { description, durable_name: _name, metadata, ...settings } = laneConfig(lane);
  await broker.briefJsm.consumers.update(TASKS, laneName(lane), {
    ...settings,
    // An empty list takes away what an undefined field would leave.
    ...{ backoff: [], headers_only: false, max_batch: 0, max_bytes: 0, max_expires: 0 },
    ...(isOutdated(config) && !config.description ? { description } : {}),
    metadata: { ...config.metadata, ...metadata },
  });
}

/**
 * Sets a lane's consumer back where somebody has changed it by hand. Returns what was not as it must be.
 *
 * Where the server refuses to change it, and where messages may have reached a limit of deliveries, it is made anew.
 */
export async function mendConsumer(
  broker: Broker,
  lane: TaskAddress,
  info: Pick<ConsumerInfo, "config" | "paused">,
): Promise<readonly Difference[]> {
  const differences = findLaneDifferences(lane, info);
  if (differences.length === 0 && !isOutdated(info.config)) return [];
  if (differences.some(({ field }) => field === "max_deliver")) {
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

/** Sets a lane's consumer back as {@linkcode mendConsumer} does, with an alarm. */
export async function mendAndTell(
  broker: Broker,
  lane: TaskAddress,
  info: Pick<ConsumerInfo, "config" | "paused">,
): Promise<void> {
  const differences = await mendConsumer(broker, lane, info);
  if (differences.length === 0) return;
  const report = createDeviationReport(broker.observer, broker.keepIncident);
  report({ stream: `consumer ${laneName(lane)}`, differences, isByHand: true, refusal: undefined });
}

/** What somebody has changed by hand in the lanes' consumers, as it is now. */
export async function inspectConsumers({ jsm }: Pick<Broker, "jsm">): Promise<readonly Difference[]> {
  const differences: Difference[] = [];
  for await (const info of jsm.consumers.list(TASKS)) {
    const lane = laneOf(info);
    if (lane !== undefined) differences.push(...findLaneDifferences(lane, info));
  }
  return differences;
}

async function addConsumer(broker: Broker, lane: TaskAddress): Promise<ConsumerInfo> {
  const add = () => broker.briefJsm.consumers.add(TASKS, laneConfig(lane));
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

/** Creates the lane's consumer, or finds it as it is. */
export async function createLaneConsumer(broker: Broker, lane: Lane): Promise<void> {
  const hadGone = hadLane(lane);
  const { created } = await addConsumer(broker, { task: lane.definition.name, vo: lane.vo });
  if (hadGone) {
    const text = `Consumer ${lane.consumer} had gone and was created again`;
    broker.observer.alarm(text);
    broker.keepIncident("gone", `consumer ${lane.consumer}`, text);
  }
  lane.noteConsumer(Date.parse(created) + 1, performance.now());
}
