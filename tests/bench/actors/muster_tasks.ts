import { atLeastOnceFactory, noRetry } from "@muster/tasks";
import * as z from "zod";
import type { Starts } from "./started.ts";
import type { BenchPayload } from "./verbs.ts";

const Payload = z.strictObject({ number: z.int(), sentAtUs: z.int(), note: z.string() });
const defineTask = atLeastOnceFactory<Starts>();

/** Does nothing but be noted. */
export const NoOpTask = defineTask({
  name: "NoOpTask",
  per: "vo",
  payload: Payload,
  size: "small",
  retry: noRetry(),
  execute: ({ deps, payload }) => deps.note(payload satisfies BenchPayload),
});
