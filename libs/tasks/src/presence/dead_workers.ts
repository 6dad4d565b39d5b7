// Tested by libs/tasks/src/run/poison_test.ts
import type { Broker } from "../broker/broker.ts";
import { hasEnded } from "./own_process.ts";
import { listStoredWorkers, RENEW_MS, type StoredWorker } from "./registration.ts";

/** Time without a new record after which a worker of another machine is taken for dead, ms. */
const SILENT_MS = RENEW_MS + 5_000;

/**
 * Lists the workers that died lately: their record still stands, since nobody took it back, and it lapses 30 s after its last renewal.
 *
 * Of this machine's workers the process tells. One of another machine is dead, or cut off, where its record is older than 15 s.
 */
export async function listDeadWorkers(broker: Broker): Promise<readonly StoredWorker[]> {
  const dead: StoredWorker[] = [];
  for (const worker of await listStoredWorkers(broker)) {
    const { record, storedAtMs } = worker;
    const isGone = record.process !== undefined && hasEnded(record.process);
    if (isGone || (await broker.time.isPast(storedAtMs + SILENT_MS))) dead.push(worker);
  }
  return dead;
}
