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

/** JetStream's error code for a consumer of that name with other settings. */
const CONSUMER_EXISTS = 10148;

/**
 * Whether the lane's consumer was there so recently that it cannot have lapsed, and the server was not restarted since. If it is not
 * there now, somebody deleted it.
 */
function hadLane({ seenAtMs }: Lane): boolean {
  return seenAtMs !== undefined && performance.now() - seenAtMs < INACTIVE_MS / 2;
}

/** Makes a lane of which nothing is known yet. */
export function newLane({ number, definition, vo }: Pick<LaneIdentity, "number" | "definition" | "vo">): Lane {
  const address = { task: definition.name, vo };
  return new Lane({ number, definition, vo, consumer: laneName(address), subject: taskSubject(address) });
}

/** Makes the consumer anew. Everything that it had delivered and that was not acknowledged is delivered again. */
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
    // A field that is undefined would keep its old value; these values remove it.
    ...{ backoff: [], headers_only: false, max_batch: 0, max_bytes: 0, max_expires: 0 },
    ...(isOutdated(config) && !config.description ? { description } : {}),
    metadata: { ...config.metadata, ...metadata },
  });
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

/** Restores a lane's consumer as {@linkcode mendConsumer} does, and raises an alarm. */
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

/** Lists what somebody changed by hand in the lanes' consumers and is still changed now. */
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

/** Creates the lane's consumer, or finds the one that is there. */
export async function createLaneConsumer(broker: Broker, lane: Lane): Promise<void> {
  const hadGone = hadLane(lane);
  const { created } = await addConsumer(broker, { task: lane.definition.name, vo: lane.vo });
  if (hadGone) {
    const text = `Consumer ${lane.consumer} had gone and was created again`;
    broker.observer.alarm(text);
    broker.keepIncident({ kind: "gone", about: `consumer ${lane.consumer}`, text });
  }
  lane.noteConsumer(Date.parse(created) + 1, performance.now());
}
