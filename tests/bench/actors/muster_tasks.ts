import { atLeastOnceFactory, defineLockType, noRetry } from "@muster/tasks";
import { setTimeout as pause } from "node:timers/promises";
import * as z from "zod";
import type { BenchPayload } from "./verbs.ts";

/** What the tasks may call. */
export interface BenchDeps {
  note(payload: BenchPayload, vo: string): void;
}

const Payload = z.strictObject({ number: z.int(), sentAtUs: z.int(), note: z.string() });
const defineTask = atLeastOnceFactory<BenchDeps>();
const benchLock = defineLockType("bench");

/** A task that does nothing but note its start. */
export const NoOpTask = defineTask({
  name: "NoOpTask",
  per: "vo",
  payload: Payload,
  size: "small",
  retry: noRetry(),
  execute: ({ deps, payload, vo }) => deps.note(payload, vo),
});

/** The same task with a priority before all others. */
export const RealtimeTask = defineTask({
  name: "RealtimeTask",
  per: "vo",
  payload: Payload,
  priority: "realtime",
  size: "small",
  retry: noRetry(),
  execute: ({ deps, payload, vo }) => deps.note(payload, vo),
});

/** A task that holds its permit for a while, with a priority after all others. */
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

/** A task under as many mutexes as its payload says. No other task wants these. */
export const LockedTask = defineTask({
  name: "LockedTask",
  per: "vo",
  payload: Payload.extend({ locks: z.int() }),
  size: "small",
  retry: noRetry(),
  locks: ({ number, locks }) => Array.from({ length: locks }, (_, at) => benchLock.mutex(`${number}-${at}`)),
  execute: ({ deps, payload, vo }) => deps.note(payload, vo),
});
