import { atLeastOnceFactory, defineLockType, noRetry } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import type { BenchPayload } from "./verbs.ts";

/** What the tasks are given. */
export interface BenchDeps {
  note(payload: BenchPayload, vo: string): void;
}

const Payload = z.strictObject({ number: z.int(), sentAtUs: z.int(), note: z.string() });
const defineTask = atLeastOnceFactory<BenchDeps>();
const benchLock = defineLockType("bench");

/** Does nothing but be noted. */
export const NoOpTask = defineTask({
  name: "NoOpTask",
  per: "vo",
  payload: Payload,
  size: "small",
  retry: noRetry(),
  execute: ({ deps, payload, vo }) => deps.note(payload, vo),
});

/** The same before all others. */
export const RealtimeTask = defineTask({
  name: "RealtimeTask",
  per: "vo",
  payload: Payload,
  priority: "realtime",
  size: "small",
  retry: noRetry(),
  execute: ({ deps, payload, vo }) => deps.note(payload, vo),
});

/** Holds its permit for a while, after all others. */
export const HeldTask = defineTask({
  name: "HeldTask",
  per: "vo",
  payload: Payload.extend({ holdMs: z.number() }),
  priority: "background",
  size: "small",
  retry: noRetry(),
  async execute({ deps, payload, vo }) {
    deps.note(payload, vo);
    await pause(payload.holdMs);
  },
});

/** Runs under as many mutexes as its payload says, which no other task wants. */
export const LockedTask = defineTask({
  name: "LockedTask",
  per: "vo",
  payload: Payload.extend({ locks: z.int() }),
  size: "small",
  retry: noRetry(),
  locks: ({ number, locks }) => Array.from({ length: locks }, (_, at) => benchLock.mutex(`${number}-${at}`)),
  execute: ({ deps, payload, vo }) => deps.note(payload, vo),
});
