import { startNatsServer } from "@muster/local";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Keeper, openKeeper } from "../keeper/keeper.ts";
import type { Broker } from "../broker/broker.ts";
import { connectNats } from "../connection/connection.ts";
import type { Observer } from "../connection/observer.ts";
import type { Lock } from "../definition/lock_type.ts";
import type { Lease } from "../lease/lease.ts";
import { type LockBucket, openLockBucket } from "../lease/lock_bucket.ts";
import { type Locks, type LocksOptions, openLocks } from "./locks.ts";
import { openBroker } from "../lease/open_broker.ts";
import type { Turn } from "./turns.ts";
import { waitForLocks } from "./wait_for_locks.ts";
import type { Waiter } from "./waiting_room.ts";

/** A real server, in a folder of its own. */
export async function startTestBroker(options: { port?: number; dataDir?: string } = {}) {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), "muster-locks-")));
  const server = await startNatsServer({ dataDir, port: options.port, syncInterval: "lazy" });
  return {
    ...server,
    dataDir,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Everything that one worker process has of locks, on connections of its own. */
export interface Party extends AsyncDisposable {
  readonly broker: Broker;
  readonly keeper: Keeper;
  readonly locks: Locks;
  readonly bucket: LockBucket;
  readonly alarms: string[];
}

/** The TTL of leases that no test waits for, ms: long, since a machine that stands still for a second must lose none. */
export const TTL_MS = 10_000;

/** Joins a grid as one more worker. */
export async function joinGrid(url: string, options: Partial<LocksOptions> = {}): Promise<Party> {
  const alarms: string[] = [];
  const observer: Observer = { alarm: (message) => void alarms.push(message), note() {}, step() {} };
  const { worker = "tester" } = options;
  const nc = await connectNats({ url, name: worker });
  const broker = await openBroker(nc, { observer });
  const keeper = await openKeeper({ access: { url }, name: `${worker}-keeper`, observer });
  const locks = await openLocks({ broker, keeper, worker, ttlMs: TTL_MS, ...options });
  return {
    broker,
    keeper,
    locks,
    alarms,
    bucket: await openLockBucket(nc),
    async [Symbol.asyncDispose]() {
      await locks[Symbol.asyncDispose]();
      await keeper[Symbol.asyncDispose]();
      await nc.close();
    },
  };
}

/** Takes one lock that must be free. */
export async function hold(locks: Locks, key: string, untilMs = Number.POSITIVE_INFINITY): Promise<Lease> {
  const answer = await locks.tryAcquire([key], { taskId: `holder of ${key}`, untilMs });
  const [lease] = answer.kind === "taken" ? answer.leases : [];
  if (lease === undefined) throw new Error(`${key} is held`);
  return lease;
}

/** Resolves once the lease has been renewed. Throws when it is lost, as it may be where the machine is too busy to renew it. */
export async function renewed(lease: Lease): Promise<void> {
  const { revision } = lease.lastWrite;
  while (lease.lastWrite.revision === revision) {
    lease.checkDeadline();
    await pause(20); // The thread that renews tells nobody.
  }
}

/** Waits as a worker does until it holds all `keys`. Resolves with the number of times that it found a key held. */
export function holdWhenFree(locks: Locks, keys: readonly string[], onFoundHeld = () => {}) {
  const { promise, resolve, reject } = Promise.withResolvers<{ leases: readonly Lease[]; foundHeld: number }>();
  let foundHeld = 0;
  async function attempt(): Promise<void> {
    const request = { taskId: `waiter for ${keys}`, untilMs: Number.POSITIVE_INFINITY, waiter };
    const answer = await locks.tryAcquire(keys, request);
    if (answer.kind === "taken") return resolve({ leases: answer.leases, foundHeld });
    foundHeld++;
    if (!locks.wait(waiter)) return reject(new Error(`the room is full at ${answer.by}`));
    onFoundHeld();
  }
  const waiter: Waiter = { resume: () => void attempt().catch(reject) };
  waiter.resume();
  return promise;
}

/** Asks once for locks of any kind. Returns the leases, or the key at which they were refused. */
export async function ask({ locks }: Party, ...wanted: readonly Lock[]): Promise<readonly Turn[] | string> {
  const answer = await locks.tryAcquireAll(wanted, { taskId: "asks", untilMs: Number.POSITIVE_INFINITY });
  return answer.kind === "taken" ? answer.leases : answer.by;
}

/** Takes locks of any kind that must be free. */
export async function take(party: Party, ...wanted: readonly Lock[]): Promise<readonly Turn[]> {
  const answer = await ask(party, ...wanted);
  if (typeof answer === "string") throw new Error(`${answer} is held`);
  return answer;
}

/** Waits for locks of any kind as a caller without a worker does. */
export function wait({ locks }: Party, ...wanted: readonly Lock[]): Promise<readonly Turn[]> {
  return waitForLocks(locks, { wanted, taskId: "waits", holdMs: 600_000, signal: undefined });
}
