import { Client, type QueryResultRow } from "pg";
import { connectFailure } from "./failures.ts";

/** Longest wait for a connection unless its URL says otherwise, and for the answer to a question on a connection of its own, ms. */
export const CONNECT_TIMEOUT_MS = 5_000;

/**
 * Longest wait for a connection that work needs, ms: `connect_timeout` of its URL, in whole seconds as for PostgreSQL's own programs, else 5 s.
 * A server or a machine under load may need longer. Questions of health go by their own limit.
 */
export function connectTimeoutMs(url: string): number {
  const seconds = new URL(url).searchParams.get("connect_timeout") ?? "";
  return /^[1-9]\d{0,5}$/.test(seconds) ? Number(seconds) * 1_000 : CONNECT_TIMEOUT_MS;
}

/** Where a server is and what its connections begin with. */
export interface ServerAddress {
  readonly connectionString: string;
  readonly application_name: string;
  /** Settings as on PostgreSQL's command line: `-c name=value`. */
  readonly options: string;
}

/**
 * Asks on a connection of its own, outside any pool. The connection and each question may take 5 s each.
 *
 * For questions that must not wait until a connection of the pool is free. Throws `DatabaseGoneError`,
 * `DatabaseTooOldError`.
 */
export async function onOneConnection<Answer>(
  address: ServerAddress,
  work: (client: Pick<Client, "query">) => Promise<Answer>,
): Promise<Answer> {
  const client = new Client({
    ...address,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS,
  });
  client.on("error", () => undefined); // the question fails with it
  try {
    await client.connect();
    const answer = await work(client);
    await client.end();
    return answer;
  } catch (cause) {
    client.connection.stream.destroy(); // a regular close would wait for an answer
    throw connectFailure(cause, address);
  }
}

/** Asks one question on a connection of its own, as {@linkcode onOneConnection} does. Returns the rows. */
export async function askOnce<Row extends QueryResultRow>(
  address: ServerAddress,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return await onOneConnection(address, async (client) => (await client.query<Row>(text, [...values])).rows);
}
