import { AckPolicy, type ConsumerConfig, DeliverPolicy } from "@nats-io/jetstream";
import { nanos } from "@nats-io/nats-core";
import type { Broker } from "../wire/broker.ts";
import { isStreamGone, TASKS } from "../wire/streams.ts";
import { taskSubject } from "../wire/subject.ts";
import { escapeToken } from "../wire/token.ts";
import type { Lane } from "./lane.ts";

/** How long the server waits for an ack or heartbeat before it hands a message to somebody else, ms. */
export const ACK_WAIT_MS = 20_000;
/** A lane that nobody pulls is removed by the server after this long, ms; the next pull finds it gone and creates it. */
const INACTIVE_MS = 300_000;

/** Whether somebody must have deleted the lane's consumer, or the server was restarted, if it is not there now: it has not lapsed yet. */
function hadLane({ seenAtMs }: Lane): boolean {
  return seenAtMs !== undefined && performance.now() - seenAtMs < INACTIVE_MS / 2;
}

/** A lane that nothing is known of yet. */
export function newLane({ number, definition, vo }: Pick<Lane, "number" | "definition" | "vo">): Lane {
  return {
    number,
    definition,
    vo,
    consumer: `${definition.name}__${escapeToken(vo)}`,
    subject: taskSubject({ task: definition.name, vo }),
    pending: 0,
    untilEmpty: true,
    asked: 0,
    pull: 0,
    pulledAtMs: 0,
    seenAtMs: undefined,
    served: 0,
    isIdle: true,
    deliveredSequence: 0,
    wokenSequence: 0,
    madeAtMs: Number.POSITIVE_INFINITY,
    consumerSequence: 0,
    misses: 0,
    restUntilMs: 0,
  };
}

/**
 * Creates the lane's consumer, or finds it as it is. Its state is kept in memory: a restart of the server forgets what is in
 * flight, which costs redeliveries, while state on file costs half the publish rate at 2,000 lanes.
 */
export async function createLaneConsumer(broker: Broker, lane: Lane): Promise<void> {
  const hadGone = hadLane(lane);
  const config: Partial<ConsumerConfig> = {
    durable_name: lane.consumer,
    filter_subjects: [lane.subject],
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ACK_WAIT_MS),
    // Poison is counted by us: a message that has reached the server's limit would stay in the stream, unseen.
    max_deliver: -1,
    max_ack_pending: -1,
    mem_storage: true,
    inactive_threshold: nanos(INACTIVE_MS),
  };
  const add = () => broker.briefJsm.consumers.add(TASKS, config);
  const { created } = await add().catch(async (error: unknown) => {
    if (!isStreamGone(error)) throw error;
    await broker.declareMissing();
    return await add();
  });
  lane.madeAtMs = Date.parse(created) + 1;
  lane.consumerSequence = 0;
  if (hadGone) broker.observer.note(`Consumer ${lane.consumer} had gone and was created again`);
  lane.seenAtMs = performance.now();
}
