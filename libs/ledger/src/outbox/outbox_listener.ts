// Tested by libs/ledger/src/outbox/outbox_test.ts
// Tested by tests/src/outbox/relay_test.ts
import { Client } from "pg";
import { CONNECT_TIMEOUT_MS, connectTimeoutMs, type ServerAddress } from "../database/ask_once.ts";
import { connectFailure, DatabaseGoneError } from "../database/failures.ts";
import { OUTBOX_CHANNEL } from "./channel.ts";

/** Hears of each commit that has put tasks into the outbox, on a connection of its own. Disposing of it closes the connection. */
export interface OutboxListener extends AsyncDisposable {
  /**
   * Resolves at the first such commit since the last call, at once where there was one. Resolves after `ms` and when
   * `signal` aborts, too. One caller may wait at a time.
   *
   * Throws `DatabaseGoneError` once the connection is lost.
   */
  untilTold(ms: number, signal: AbortSignal): Promise<void>;
}

/** Opens a listener. What commits after this has resolved is heard. Throws `DatabaseGoneError` and `DatabaseTooOldError`. */
export async function listenToOutbox(address: ServerAddress): Promise<OutboxListener> {
  let isTold = false;
  let lost: DatabaseGoneError | undefined;
  let wake = () => {};
  const client = new Client({
    ...address,
    connectionTimeoutMillis: connectTimeoutMs(address.connectionString),
    query_timeout: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  });
  client.on("notification", () => {
    isTold = true;
    wake();
  });
  const lose = (cause?: unknown) => {
    lost ??= new DatabaseGoneError("listen to the database", cause);
    wake();
  };
  client.on("error", lose);
  client.on("end", () => lose());
  try {
    await client.connect();
    await client.query(`listen ${OUTBOX_CHANNEL}`);
  } catch (cause) {
    client.connection.stream.destroy(); // a regular close would wait for an answer
    throw connectFailure(cause, address);
  }
  return {
    async untilTold(ms, signal) {
      if (!isTold && lost === undefined && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const timer = setTimeout(resolve, ms);
        signal.addEventListener("abort", wake, { once: true });
        await promise;
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
      }
      isTold = false;
      if (lost !== undefined) throw lost;
    },
    async [Symbol.asyncDispose]() {
      if (lost === undefined) await client.end();
      else client.connection.stream.destroy();
    },
  };
}
