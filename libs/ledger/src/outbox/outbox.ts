// Tested by libs/ledger/src/outbox/outbox_test.ts
// Tested by tests/src/outbox/relay_test.ts
import { sql } from "kysely";
import type { Transaction } from "../database/transaction.ts";
import { OUTBOX_CHANNEL } from "./channel.ts";

/** A task of the outbox, as it is to be published. It may have further fields, as {@linkcode publishWith} was given them. */
export interface OutboxTask {
  /** Its place in the order of insertion. */
  readonly number: number;
  readonly taskId: string;
  readonly task: string;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo: string;
  /** The payload as it was written, JSON. */
  readonly body: string;
  /** Version of the payload's form; absent: 1. */
  readonly payloadVersion?: number;
  /** Earliest start, RFC 3339 in UTC; absent: at once. */
  readonly startAt?: string;
  /** The publisher's own headers; absent: none. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Most tasks that are taken at once, and most bytes of their payloads. A single one may be larger. */
const TAKEN = 500;
const TAKEN_BYTES = 4 * 1024 * 1024;

interface StoredTask {
  readonly number: number;
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly body: string;
  readonly payloadVersion: number;
  readonly startAt: Date | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly options: object;
}

function read({ payloadVersion, startAt, headers, options, ...stored }: StoredTask): OutboxTask {
  return {
    ...options,
    ...stored,
    ...(payloadVersion === 1 ? {} : { payloadVersion }),
    ...(startAt === null ? {} : { startAt: startAt.toISOString() }),
    ...(Object.keys(headers).length === 0 ? {} : { headers }),
  };
}

/**
 * Takes the next committed tasks behind `after` that no other transaction has taken, oldest first: at most 500, and about
 * 4 MiB. They are this transaction's until it ends.
 *
 * Publish them, and then tell {@linkcode settleOutbox} in the same transaction. If the transaction ends without that, they
 * are there again.
 */
export async function takeOutbox(transaction: Transaction, after = 0): Promise<readonly OutboxTask[]> {
  const { rows } = await sql<StoredTask>`
    with locked as (
      select number, octet_length(payload::text) as bytes from task_outbox
      where refused_at is null and number > ${after}
      order by number limit ${TAKEN} for update skip locked
    ), placed as (
      select number, sum(bytes) over (order by number) - bytes as before from locked
    )
    select number, task_id as "taskId", task, vo, payload::text as body, payload_version as "payloadVersion",
      start_at as "startAt", headers, options
    from task_outbox join placed using (number)
    where placed.before < ${TAKEN_BYTES}
    order by number`.execute(transaction.getKysely());
  return rows.map(read);
}

/** What became of tasks of the outbox. Those that are named in neither list stay. */
export interface OutboxSettled {
  /** Numbers of those that are in the broker's stream. */
  readonly published: readonly number[];
  /** Those that can never be published as they are. */
  readonly refused: readonly { readonly number: number; readonly reason: string }[];
}

/** Deletes what was published, and sets aside with its reason what never can be. */
export async function settleOutbox(transaction: Transaction, { published, refused }: OutboxSettled): Promise<void> {
  const kysely = transaction.getKysely();
  if (published.length > 0)
    await sql`delete from task_outbox where number = any(${published}::bigint[])`.execute(kysely);
  if (refused.length === 0) return;
  await sql`
    update task_outbox set refused_at = now(), reason = said.reason
    from unnest(${refused.map(({ number }) => number)}::bigint[], ${refused.map(({ reason }) => reason)}::text[])
      as said (number, reason)
    where task_outbox.number = said.number`.execute(kysely);
}

/** What the outbox holds. */
export interface OutboxSummary {
  /** Tasks that are still to be published. */
  readonly waiting: number;
  /** When the oldest of these was inserted, RFC 3339 in UTC; null: there is none. */
  readonly oldestAt: string | null;
  /** Tasks that were set aside. */
  readonly refused: number;
}

/** Counts the tasks of the outbox that are committed. One query. */
export async function getOutboxSummary(transaction: Transaction): Promise<OutboxSummary> {
  const { rows } = await sql<{ waiting: number; oldestAt: Date | null; refused: number }>`
    select count(*) filter (where refused_at is null) as waiting,
      min(created_at) filter (where refused_at is null) as "oldestAt",
      count(*) filter (where refused_at is not null) as refused
    from task_outbox`.execute(transaction.getKysely());
  const [row] = rows;
  return { waiting: row?.waiting ?? 0, oldestAt: row?.oldestAt?.toISOString() ?? null, refused: row?.refused ?? 0 };
}

/** A task of the outbox that was set aside. */
export interface RefusedTask {
  readonly taskId: string;
  readonly task: string;
  readonly vo: string;
  readonly createdAt: string;
  readonly refusedAt: string;
  readonly reason: string;
}

/** The tasks that were set aside, oldest first, at most `limit`, default 100. */
export async function listRefusedTasks(transaction: Transaction, limit = 100): Promise<readonly RefusedTask[]> {
  const { rows } = await sql<Omit<RefusedTask, "createdAt" | "refusedAt"> & { createdAt: Date; refusedAt: Date }>`
    select task_id as "taskId", task, vo, created_at as "createdAt", refused_at as "refusedAt", coalesce(reason, '') as reason
    from task_outbox where refused_at is not null order by number limit ${limit}`.execute(transaction.getKysely());
  return rows.map((row) => ({
    ...row,
    createdAt: row.createdAt.toISOString(),
    refusedAt: row.refusedAt.toISOString(),
  }));
}

/** Which tasks of those that were set aside: by their ids, or all. */
export type RefusedChoice = readonly string[] | "all";

/** Lets tasks that were set aside be published again, in their old order. Returns their ids. */
export async function retryRefusedTasks(transaction: Transaction, which: RefusedChoice): Promise<readonly string[]> {
  const { rows } = await sql<{ taskId: string }>`
    update task_outbox set refused_at = null, reason = null
    where refused_at is not null and (${which === "all"} or task_id = any(${which === "all" ? [] : which}::text[]))
    returning task_id as "taskId"`.execute(transaction.getKysely());
  await tellOutbox(transaction);
  return rows.map(({ taskId }) => taskId);
}

/** Deletes tasks that were set aside. Nobody will run them. Returns their ids. */
export async function dropRefusedTasks(transaction: Transaction, which: RefusedChoice): Promise<readonly string[]> {
  const { rows } = await sql<{ taskId: string }>`
    delete from task_outbox
    where refused_at is not null and (${which === "all"} or task_id = any(${which === "all" ? [] : which}::text[]))
    returning task_id as "taskId"`.execute(transaction.getKysely());
  return rows.map(({ taskId }) => taskId);
}

/** Wakes the scheduler that publishes the outbox, when the transaction commits. An insert does so by itself. */
async function tellOutbox(transaction: Transaction): Promise<void> {
  await sql`select pg_notify(${OUTBOX_CHANNEL}, '')`.execute(transaction.getKysely());
}
