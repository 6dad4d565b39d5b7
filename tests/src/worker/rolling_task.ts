import type { RetryPolicy } from "@muster/tasks";
import * as z from "zod";
import { defineSqlTask } from "../support/sql_tasks.ts";

const SIXTY_DAYS_MS = 60 * 86_400_000;

/** Retries a failure "for now" in sixty days. Any other failure is final. */
const retry: RetryPolicy = {
  name: "sixty days",
  decide: ({ error }) =>
    error instanceof Error && error.message === "for now"
      ? { kind: "retry", delayMs: SIXTY_DAYS_MS }
      : { kind: "dead" },
};
const common = { name: "GreetTask", per: "vo", retry } as const;

/** The statement that writes whom a version has greeted. */
const greeting = (version: 1 | 2, names: string) => `insert into greeting values (${version}, '${names}')`;

/** The task as it was before names were split. */
export const GreetTaskOne = defineSqlTask({
  ...common,
  payload: z.strictObject({ name: z.string(), fails: z.enum(["for now", "for good"]).optional() }),
  async execute({ deps, payload: { name, fails } }) {
    if (fails !== undefined) throw new Error(fails);
    await deps.sql(greeting(1, name));
  },
});

/** The same task in the next version of the application. */
export const GreetTaskTwo = defineSqlTask({
  ...common,
  payload: z.strictObject({ first: z.string(), last: z.string() }),
  payloadVersion: 2,
  migrate: {
    1({ name }: { name: string }) {
      const [first, last] = name.split(" ");
      if (first === undefined || last === undefined) throw new Error(`${JSON.stringify(name)} has no two parts`);
      return { first, last };
    },
  },
  async execute({ deps, payload: { first, last } }) {
    await deps.sql(greeting(2, `${first}+${last}`));
  },
});
