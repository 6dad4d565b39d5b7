import { Client } from "pg";
import { connectFailure } from "./failures.ts";

/** How long a connection may take to be made, and a question on a connection of its own to be answered, ms. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** Where a server is and what its connections begin with. */
export interface ServerAddress {
  readonly connectionString: string;
  readonly application_name: string;
  /** As on PostgreSQL's command line: `-c name=value`. */
  readonly options: string;
}

/**
 * Asks one question on a connection of its own, outside any pool, and takes 10 s at most.
 *
 * For what must not wait until a connection of the pool comes free. Throws `DatabaseGoneError` and
 * `DatabaseTooOldError`.
 */
export async function askOnce(address: ServerAddress, text: string, values: readonly unknown[] = []): Promise<void> {
  const client = new Client({
    ...address,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS,
  });
  client.on("error", () => undefined); // the question fails with it
  try {
    await client.connect();
    await client.query(text, [...values]);
    await client.end();
  } catch (cause) {
    client.connection.stream.destroy(); // a goodbye would wait for an answer
    throw connectFailure(cause);
  }
}
