// Tested by libs/tasks/src/broker/fetch_page_test.ts
import { type Consumer, type FetchOptions, JetStreamError, type JsMsg } from "@nats-io/jetstream";
import { setTimeout as pause } from "node:timers/promises";

/** The server's status where nobody answers a pull. */
const NOBODY = 503;
/** Longest time for which a new consumer may be unheard of at our server, ms. */
const UNHEARD_MS = 5_000;
/** Time between two pulls meanwhile, ms. */
const AGAIN_MS = 50;

/**
 * Fetches messages of a consumer that was just made. On a cluster the answer that it is made may reach us before our server knows who
 * answers its pulls; then it is asked again. Throws what the client throws.
 */
export async function* fetchPage(
  consumer: Pick<Consumer, "fetch">,
  options: FetchOptions,
): AsyncGenerator<JsMsg, void, undefined> {
  const startedMs = performance.now();
  for (let received = 0; ; ) {
    try {
      for await (const message of await consumer.fetch(options)) {
        received++;
        yield message;
      }
      return;
    } catch (error) {
      const isUnheard = error instanceof JetStreamError && "code" in error && error.code === NOBODY && received === 0;
      if (!isUnheard || performance.now() - startedMs > UNHEARD_MS) throw error;
    }
    await pause(AGAIN_MS);
  }
}
