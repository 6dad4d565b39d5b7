import { atLeastOnceFactory } from "@muster/tasks";
import * as z from "zod";

/** Greets a visitor. */
export const GreetTask = atLeastOnceFactory()({
  name: "GreetTask",
  payload: z.strictObject({ name: z.string().min(1) }),
  execute: ({ payload }) => `Hello, ${payload.name}`,
});
