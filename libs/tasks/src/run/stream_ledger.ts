import { headers as newHeaders } from "@nats-io/nats-core";
import type { Claim, CommitAnswer, OutcomeRow, SpawnedTask, Ledger, LedgerTransaction } from "../definition/ledger.ts";
import type { Broker } from "../broker/broker.ts";
import { MESSAGE_TTL } from "../format/headers.ts";
import { isSilence } from "../broker/publish_surely.ts";
import { readTimed } from "../broker/timed_entry.ts";
import { escapeToken } from "../format/token.ts";
import { type KeptResult, readKeptResult } from "../result/kept_result.ts";

/** Largest size of the children in one KV value, bytes of JSON. With the rest of the row a value stays below the server's payload limit. */
const CHUNK_BYTES = 256 * 1024;

/** Time to live of a list of children. It matters where a worker died with the ack: the list ends when its message would be too old. */
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
 * The ledger of tasks without a database. It only keeps a run's children, in the bucket `results`, until they are published. So such a
 * task runs at least once, while all its children come from one run.
 */
export interface StreamLedger extends Ledger<undefined> {
  /**
   * Returns the same ledger for the runs of one message, whose name is `message`. It knows what runs of this message have spawned.
   *
   * A list may outlive its message where a worker died with the ack, and may come back after a kill of the server. It does not count for
   * another message under the same id, for example one that was published again on purpose. That message runs.
   *
   * `isKept`: the task's result is kept, so that also tells how a run of this message has ended.
   */
  of(message: string, isKept: boolean): Ledger<undefined>;
  /** Forgets the children of a settled task. */
  forget(row: OutcomeRow): Promise<void>;
}

/** One stored part of a run's children, as JSON. */
interface Chunk {
  readonly row: OutcomeRow;
  readonly chunks: number;
  /** The name of the message that was run; absent: there was none, or an older version has stored this. */
  readonly message?: string;
}

/** The row that a kept result stands for, where it is of this message. Its children were published before it was kept. */
function rowOfKept(taskId: string, message: string, kept: KeptResult | undefined): OutcomeRow | undefined {
  if (kept?.message !== message || kept.outcome === "refused") return undefined;
  const { outcome, result, error, task, vo, attempt, payloadHash = "" } = kept;
  const errors = error === null ? [] : [error];
  return { taskId, task, vo, payloadHash, attempt, outcome, result, spawned: [], dueAt: null, errors };
}

/** Makes a ledger over the bucket `results` of `broker`. */
export function streamLedger(broker: Broker): StreamLedger {
  const { results } = broker.buckets;

  async function remember(row: OutcomeRow, message: string | undefined): Promise<void> {
    const chunks = chunksOf(row.spawned);
    const headers = newHeaders();
    headers.set(MESSAGE_TTL, REMEMBERED_TTL);
    for (const [index, chunk] of chunks.entries()) {
      const value: Chunk = {
        row: { ...row, spawned: chunk },
        chunks: chunks.length,
        ...(message === undefined ? {} : { message }),
      };
      await broker.requests.store({
        subject: `$KV.results.${keyOf(row.taskId, index)}`,
        body: JSON.stringify(value),
        headers,
      });
    }
  }

  async function recallChildren(taskId: string, wanted: string | undefined): Promise<OutcomeRow | undefined> {
    const spawned: SpawnedTask[] = [];
    for (let index = 0; ; index++) {
      const { text } = await readTimed(broker, "results", keyOf(taskId, index));
      if (text === undefined) return undefined; // none, or cut off before the first publish
      const { row, chunks, message = wanted }: Chunk = JSON.parse(text);
      if (message !== wanted) return undefined;
      spawned.push(...row.spawned);
      if (index + 1 === chunks) return { ...row, spawned };
    }
  }

  async function recall(taskId: string, message: string | undefined, isKept: boolean): Promise<OutcomeRow | undefined> {
    const row = await recallChildren(taskId, message);
    if (row !== undefined || !isKept || message === undefined) return row;
    return rowOfKept(taskId, message, await readKeptResult(broker, taskId));
  }

  function open(message: string | undefined): LedgerTransaction<undefined> {
    return {
      transaction: async () => undefined,
      async commit(row): Promise<CommitAnswer> {
        try {
          if (row.spawned.length > 0) await remember(row, message);
        } catch (cause) {
          // A broker that does not answer is not the task's failure.
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

  function ledgerOf(message: string | undefined, isKept: boolean): Ledger<undefined> {
    return {
      open: (_claim: Claim) => open(message),
      record: async (row) => row,
      recall: (taskId) => recall(taskId, message, isKept),
      markPublished: async () => {},
      classify: () => "failed",
    };
  }

  return {
    ...ledgerOf(undefined, false),
    of: ledgerOf,
    async forget(row) {
      const chunks = chunksOf(row.spawned).length;
      for (let index = 0; index < chunks; index++) await results.purge(keyOf(row.taskId, index), { ttl: "1s" });
    },
  };
}
