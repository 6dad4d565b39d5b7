import { atLeastOnceFactory, defineLockType } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";

const defineTask = atLeastOnceFactory();
const siteLock = defineLockType("limited_site");

/** The locks' in this test, ms. A worker that is alive loses no lease within it, also on a machine that stands still for a second. */
export const TTL_MS = 4_000;

/** Reads under one part of a limit for `ms`. Two may do so at a time. */
export const ReaderTask = defineTask({
  name: "ReaderTask",
  per: "vo",
  payload: z.strictObject({ ms: z.number() }),
  locks: () => [siteLock.shared("ce01"), siteLock.concurrency("ce01", 2)],
  execute: ({ payload, signal }) => pause(payload.ms, undefined, { signal }),
});

/** Writes where readers read. */
export const WriterTask = defineTask({
  name: "WriterTask",
  per: "vo",
  locks: () => [siteLock.exclusive("ce01")],
  execute() {},
});
