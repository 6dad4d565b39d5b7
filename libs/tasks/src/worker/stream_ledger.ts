import { headers as newHeaders } from "@nats-io/nats-core";
import type { Claim, CommitAnswer, OutcomeRow, SpawnedTask, UnitOfWork, Work } from "../definition/unit_of_work.ts";
import type { Broker } from "../wire/broker.ts";
import { MESSAGE_TTL } from "../wire/headers.ts";
import { isSilence } from "../wire/publish_surely.ts";
import { escapeToken } from "../wire/token.ts";

/** Children of one KV value; with ids and payloads of some 200 bytes a value stays below the server's payload limit. */
const CHUNK_BYTES = 256 * 1024;

/** A list that nobody forgets, since its worker died with the ack, goes by itself when its message would be too old. */
const REMEMBERED_TTL = "720h";

function keyOf(taskId: string, chunk: number): string {
  return `spawned.${escapeToken(taskId)}.${chunk}`;
}

function chunksOf(spawned: readonly SpawnedTask[]): SpawnedTask[][] {
  const chunks: SpawnedTask[][] = [];
  let bytes = CHUNK_BYTES;
  for (const child of spawned) {
    const size = JSON.stringify(child).length;
    if (bytes + size > CHUNK_BYTES) {
      chunks.push([]);
      bytes = 0;
    }
    bytes += size;
    chunks.at(-1)?.push(child);
  }
  return chunks;
}

/**
 * The ledger of tasks without a database: it remembers a run's children in the bucket `results` until they are published, and
 * nothing else. So such a task is at least once, while its children are one run's.
 */
export interface StreamLedger extends UnitOfWork<undefined> {
  /** Forgets the children of a settled task. */
  forget(row: OutcomeRow): Promise<void>;
}

/** A ledger over `broker`'s bucket `results`. */
export function streamLedger(broker: Broker): StreamLedger {
  const { results } = broker.buckets;

  async function remember(row: OutcomeRow): Promise<void> {
    const chunks = chunksOf(row.spawned);
    const headers = newHeaders();
    headers.set(MESSAGE_TTL, REMEMBERED_TTL);
    for (const [index, chunk] of chunks.entries()) {
      const value = JSON.stringify({ row: { ...row, spawned: chunk }, chunks: chunks.length });
      await broker.requests.store({ subject: `$KV.results.${keyOf(row.taskId, index)}`, body: value, headers });
    }
  }

  async function recall(taskId: string): Promise<OutcomeRow | undefined> {
    const spawned: SpawnedTask[] = [];
    for (let index = 0; ; index++) {
      const entry = await results.get(keyOf(taskId, index));
      if (entry === null || entry.operation !== "PUT") return undefined; // none, or cut off before the first publish
      const { row, chunks } = entry.json<{ row: OutcomeRow; chunks: number }>();
      spawned.push(...row.spawned);
      if (index + 1 === chunks) return { ...row, spawned };
    }
  }

  function open(_claim: Claim): Work<undefined> {
    return {
      transaction: async () => undefined,
      async commit(row): Promise<CommitAnswer> {
        try {
          if (row.spawned.length > 0) await remember(row);
        } catch (cause) {
          // A broker that is away is not the task's failure.
          if (isSilence(cause)) return { kind: "unknown", cause };
          throw cause;
        }
        return { kind: "committed", row };
      },
      rollback: async () => {},
      keepAwake: async () => {},
      destroy: async () => {},
      gone: () => undefined,
    };
  }

  return {
    open,
    record: async (row) => row,
    recall,
    markPublished: async () => {},
    classify: () => "failed",
    async forget(row) {
      const chunks = chunksOf(row.spawned).length;
      for (let index = 0; index < chunks; index++) await results.purge(keyOf(row.taskId, index), { ttl: "1s" });
    },
  };
}
