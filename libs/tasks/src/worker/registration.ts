import { headers as newHeaders } from "@nats-io/nats-core";
import { hostname } from "node:os";
import type { Broker } from "../wire/broker.ts";
import { MESSAGE_TTL } from "../wire/headers.ts";
import { escapeToken } from "../wire/token.ts";

const RENEW_MS = 10_000;
const TTL = "30s";

/** A worker as it shows itself in the bucket `workers`. */
export interface WorkerRecord {
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
  /** Names of the tasks that it runs. */
  readonly tasks: readonly string[];
  readonly permits: number;
}

/** Shows a worker to operators until disposed of, or for 30 s after its death. Nothing rests on it. */
export function registerWorker(
  broker: Broker,
  worker: Pick<WorkerRecord, "name" | "tasks" | "permits">,
): AsyncDisposable {
  const record: WorkerRecord = { ...worker, host: hostname(), pid: process.pid, startedAt: new Date().toISOString() };
  const subject = `$KV.workers.${escapeToken(worker.name)}`;
  const headers = newHeaders();
  headers.set(MESSAGE_TTL, TTL);
  const show = () => {
    if (!broker.nc.isClosed()) broker.nc.publish(subject, JSON.stringify(record), { headers });
  };
  show();
  const timer = setInterval(show, RENEW_MS);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      if (broker.nc.isClosed()) return;
      // Nobody waits for the answer: a broker that is away would keep the worker from ending. The mark goes like the record.
      const gone = newHeaders();
      gone.set("KV-Operation", "DEL");
      gone.set(MESSAGE_TTL, TTL);
      broker.nc.publish(subject, "", { headers: gone });
    },
  };
}

/** The workers that show themselves now. */
export async function listWorkers(broker: Broker): Promise<readonly WorkerRecord[]> {
  const records: WorkerRecord[] = [];
  for await (const key of await broker.buckets.workers.keys()) {
    const entry = await broker.buckets.workers.get(key);
    if (entry !== null && entry.operation === "PUT") records.push(entry.json<WorkerRecord>());
  }
  return records;
}
