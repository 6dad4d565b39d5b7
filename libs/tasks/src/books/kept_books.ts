import { jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { openRequests } from "../broker/requests.ts";
import type { FromBooks, ToBooks } from "../tally/book_messages.ts";
import { type Books, openBooks } from "./books.ts";
import { openBrokerClock } from "../lease/broker_clock.ts";
import { openTallyBucket } from "./tally_bucket.ts";

/** Longest wait of one request, ms. */
const REQUEST_TIMEOUT_MS = 2_000;

/** Opens the tallies of a process on `nc`. Nothing is asked or subscribed to before the first of them is used. */
export function openKeptBooks(nc: NatsConnection, tell: (message: FromBooks) => void): Books {
  let isOpening = false;
  let opened: Books | undefined;
  let isClosed = false;
  const early: ToBooks[] = [];

  async function open(): Promise<void> {
    const jsm = await jetstreamManager(nc, { timeout: REQUEST_TIMEOUT_MS, checkAPI: false });
    const requests = openRequests(nc, { timeoutMs: REQUEST_TIMEOUT_MS });
    opened = openBooks({ bucket: openTallyBucket(requests, jsm), clock: openBrokerClock(jsm), tell });
    for (const message of early.splice(0)) opened.hear(message);
    if (isClosed) await opened[Symbol.asyncDispose]();
  }

  return {
    hear(message) {
      if (opened !== undefined) return opened.hear(message);
      early.push(message);
      if (isOpening) return;
      isOpening = true;
      void open();
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await opened?.[Symbol.asyncDispose]();
    },
  };
}
