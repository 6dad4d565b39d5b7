// Tested by libs/ledger/src/outbox/outbox_test.ts
import { CompiledQuery } from "kysely";
import type { TraceHeaders } from "../database/tracing.ts";
import type { Transaction } from "../database/transaction.ts";

/**
 * Runs one statement in a transaction of the application, with the values for `$1`, `$2` and so on.
 *
 * With `pg`: `(text, values) => client.query(text, values)`. With `postgres`: `(text, values) => sql.unsafe(text, values)`. With a
 * MikroORM entity manager: {@linkcode queryOf}.
 */
export type Query = (text: string, values: (string | null)[]) => PromiseLike<unknown>;

/** A checked task, as it is inserted. It may have further fields, which are kept and handed on as they are. */
export interface CheckedTask {
  readonly taskId: string;
  readonly task: string;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo: string;
  /** A JSON object. */
  readonly payload: object;
  /** Version of the payload's form; absent: 1. */
  readonly payloadVersion?: number;
  /** Earliest start, RFC 3339 in UTC; absent: at once. */
  readonly startAt?: string;
  /** Headers of the publisher's own; absent: none. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A task that checks what is published of it. Every definition of `@muster/tasks` does. */
export interface PreparableTask<Options> {
  /** Returns the checked task with its id. Throws where it cannot be published so. */
  prepare(options: Options): Promise<CheckedTask>;
}

// Each value goes as text and is cast by the server: what a client makes of a json or a timestamp differs from client to client. A
// conflict names no column, since that would need the right to read the table.
const INSERT = `
  insert into task_outbox (task_id, task, vo, payload, payload_version, start_at, headers, options)
  values
    ($1::text, $2::text, $3::text, $4::text::json, $5::text::int, $6::text::timestamptz, $7::text::json, $8::text::json)
  on conflict do nothing`;

/** The connection of a MikroORM transaction as a {@linkcode Query}. Outside a transaction each statement commits by itself. */
export function queryOf(transaction: Transaction): Query {
  return async (text, values) => await transaction.getKysely().executeQuery(CompiledQuery.raw(text, values));
}

/**
 * Publishes a task together with a transaction: it runs if and only if the transaction commits. Returns the task's id.
 *
 * Writes one row and asks no broker. `options` are those of `publish`. A scheduler of Muster publishes the row when it is
 * committed, mostly within milliseconds. An id that still waits there is not inserted a second time. Waits for another
 * transaction that has inserted the same id.
 *
 * The login needs the right to insert into `task_outbox`, and no other. Throws what `task.prepare` throws before a
 * statement is sent, and what the statement throws.
 *
 * ```ts
 * import { publishWith } from "@muster/ledger";
 * import { Client } from "pg";
 *
 * const client = new Client(process.env["DATABASE_URL"]);
 * await client.connect();
 * await client.query("begin");
 * await client.query("insert into visitor (name) values ($1)", ["world"]);
 * await publishWith((text, values) => client.query(text, values), GreetTask, { payload: { name: "world" } });
 * await client.query("commit");
 * ```
 */
export async function publishWith<Options extends object>(
  query: Query,
  task: PreparableTask<Options>,
  options: NoInfer<Options>,
): Promise<string> {
  return await insertTask(query, await task.prepare(options));
}

/** Inserts a checked task. `trace` are headers of the caller's trace, for a task that has none of its own. */
export async function insertTask(query: Query, prepared: CheckedTask, trace: TraceHeaders = {}): Promise<string> {
  const { taskId, task: name, vo, payload, payloadVersion = 1, startAt = null, headers = {}, ...others } = prepared;
  await query(INSERT, [
    ...[taskId, name, vo, JSON.stringify(payload), String(payloadVersion)],
    ...[startAt, JSON.stringify("traceparent" in headers ? headers : { ...trace, ...headers }), JSON.stringify(others)],
  ]);
  return taskId;
}
