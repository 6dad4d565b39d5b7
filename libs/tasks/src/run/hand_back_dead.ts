import { millis } from "@nats-io/nats-core";
import { setTimeout as pause } from "node:timers/promises";
import type { Broker } from "../broker/broker.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { readStored } from "../broker/timed_entry.ts";
import { readAckReply } from "../format/delivery.ts";
import { type TaskAddress, wakeSubject } from "../format/subject.ts";
import { escapeToken, unescapeToken } from "../format/token.ts";
import { mayPublish } from "../connection/own_rights.ts";
import { hasEnded } from "../presence/own_process.ts";
import { laneOf } from "../pull/lane_needs.ts";
import type { StartCount } from "../pull/received_task.ts";
import { isConflict, TASKS } from "../streams/streams.ts";
import { aloneMsOf, COUNT_SUBJECTS, judge, writeCount } from "./poison.ts";

/**
 * Margin before a consumer's ack wait has passed since a worker's last sign of life, ms. Until that margin begins, the message is
 * certainly with no other worker. It covers the newest heartbeat, which was sent up to 5 s before that sign.
 */
const SURELY_HELD_MARGIN_MS = 7_000;
/** Delay of tasks that are less suspected than another, ms. The most suspected task must begin first. */
const LATER_MS = 300;
/** Number of counts that are read at the same time. */
const AT_ONCE = 100;
const PREFIX = "starts.";
/** The keys that this library makes. */
const OUR_KEY = /^starts\.[A-Za-z0-9_=-]+$/;

/** A message that was in the hand of a process that has ended. */
interface Left {
  readonly key: string;
  readonly revision: number;
  readonly count: StartCount;
  readonly ack: string;
  readonly worker: string;
  /** When its run was counted, by the broker's clock, ms since the epoch. */
  readonly countedAtMs: number;
}

function readCount(text: string): StartCount | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not written by Muster
  }
}

async function findLeft(broker: Broker, key: string): Promise<Left | undefined> {
  const stored = await readStored(broker.jsm, "results", key);
  const count = stored?.kind === "value" ? readCount(stored.text) : undefined;
  if (stored === undefined || count?.by?.process === undefined || !hasEnded(count.by.process)) return undefined;
  const { worker, ack } = count.by;
  return { key, revision: stored.revision, count, ack, worker, countedAtMs: stored.storedAtMs };
}

async function listLeft(broker: Broker): Promise<readonly Left[]> {
  const { state } = await broker.jsm.streams.info("KV_results", { subjects_filter: `${COUNT_SUBJECTS}>` });
  const keys = Object.keys(state.subjects ?? {})
    .map((subject) => subject.slice("$KV.results.".length))
    .filter((key) => OUR_KEY.test(key));
  const left: Left[] = [];
  for (let at = 0; at < keys.length; at += AT_ONCE) {
    const found = await Promise.all(keys.slice(at, at + AT_ONCE).map((key) => findLeft(broker, key)));
    left.push(...found.filter((each) => each !== undefined));
  }
  return left;
}

/** When each of these workers gave its last sign of life in the bucket `workers`, by the broker's clock. */
async function lastShownAtMs(broker: Broker, workers: Iterable<string>): Promise<ReadonlyMap<string, number>> {
  const shown = new Map<string, number>();
  for (const worker of new Set(workers)) {
    const stored = await readStored(broker.jsm, "workers", escapeToken(worker));
    if (stored !== undefined) shown.set(worker, stored.storedAtMs);
  }
  return shown;
}

/** What is known of a message's consumer. */
interface FoundLane {
  readonly ackWaitMs: number;
  /** Undefined: it is none of ours. */
  readonly lane: TaskAddress | undefined;
}

/** The consumers of these messages by the consumer's name. */
async function lanesOf({ jsm }: Broker, left: readonly Left[]): Promise<ReadonlyMap<string, FoundLane>> {
  const lanes = new Map<string, FoundLane>();
  for (const consumer of new Set(left.map(({ ack }) => readAckReply(ack).consumer))) {
    const info = await jsm.consumers.info(TASKS, consumer);
    lanes.set(consumer, { ackWaitMs: millis(info.config.ack_wait ?? 0), lane: laneOf(info) });
  }
  return lanes;
}

/**
 * Takes the message over from the dead worker, and returns it with its count after that death. Returns undefined where another process
 * has changed the count meanwhile: that one has the message.
 */
async function takeOver(broker: Broker, left: Left): Promise<Left | undefined> {
  const { key, revision } = left;
  const count = await judge(broker, unescapeToken(key.slice(PREFIX.length)), left.count);
  try {
    await writeCount(broker, key, { ...count, revision });
    return { ...left, count };
  } catch (error) {
    if (isConflict(error)) return undefined;
    throw error;
  }
}

/** Wakes workers for the lanes of these messages. */
async function wake({ nc }: Broker, left: readonly Left[], lanes: ReadonlyMap<string, FoundLane>): Promise<void> {
  const subjects = new Set<string>();
  for (const { ack } of left) {
    const lane = lanes.get(readAckReply(ack).consumer)?.lane;
    if (lane !== undefined) subjects.add(wakeSubject(lane));
  }
  for (const subject of subjects) nc.publish(subject);
  await nc.flush();
}

function isOfTasks(ack: string): boolean {
  try {
    return readAckReply(ack).stream === TASKS;
  } catch {
    return false; // not written by Muster
  }
}

/**
 * Hands back the redelivered tasks that ended processes of this machine had begun (PROTOCOL 2.5). So nobody waits until the server
 * misses their heartbeats. The most suspected tasks come first. Returns how many there were.
 */
export async function handBackOfEnded(broker: Broker): Promise<number> {
  const found: Left[] = [];
  for (const each of await listLeft(broker)) {
    // The tasks of another app of this machine may be none of our user's business.
    if (isOfTasks(each.ack) && (await mayPublish(broker.nc, each.ack))) found.push(each);
  }
  if (found.length === 0) return 0;
  const shown = await lastShownAtMs(
    broker,
    found.map(({ worker }) => worker),
  );
  const lanes = await lanesOf(broker, found);
  const left: Left[] = [];
  for (const each of found) {
    const aliveAtMs = Math.max(each.countedAtMs, shown.get(each.worker) ?? 0);
    const heldMs = (lanes.get(readAckReply(each.ack).consumer)?.ackWaitMs ?? 0) - SURELY_HELD_MARGIN_MS;
    // Later than that it may be with another worker, and a hand-back would take it from that worker.
    if (heldMs <= 0 || (await broker.time.isPast(aliveAtMs + heldMs))) continue;
    const taken = await takeOver(broker, each);
    if (taken !== undefined) left.push(taken);
  }
  const mostMs = Math.max(...left.map(({ count }) => aloneMsOf(count)));
  const first = left.filter(({ count }) => aloneMsOf(count) === mostMs);
  const later = left.filter((each) => !first.includes(each));
  const delay = JSON.stringify({ delay: LATER_MS * 1e6 });
  for (const { ack } of first) broker.nc.publish(ack, "-NAK");
  for (const { ack } of later) broker.nc.publish(ack, `-NAK ${delay}`);
  await broker.nc.flush();
  await wake(broker, first, lanes);
  if (later.length > 0) {
    await pause(LATER_MS, undefined, { ref: false });
    await wake(broker, later, lanes);
  }
  return left.length;
}

/** Calls {@linkcode handBackOfEnded} once, and notes the result. A task that cannot be handed back is redelivered after its ack wait. */
export async function handBackAndTell(broker: Broker): Promise<void> {
  try {
    const count = await handBackOfEnded(broker);
    if (count > 0)
      broker.observer.note(`Handed back ${count} tasks that were in the hands of processes which have ended`);
  } catch (cause) {
    if (broker.nc.isClosed() || isSilence(cause)) return;
    broker.observer.note("Cannot hand back the tasks of ended processes yet; they come back after their ack wait", {
      cause,
    });
  }
}
