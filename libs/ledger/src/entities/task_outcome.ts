import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";

/** How a task ended. `retry` and `dead` may be replaced by a higher attempt; the others are final. */
export const LEDGER_OUTCOMES = ["done", "dropped", "cancelled", "retry", "dead"] as const;
/** How a task ended. */
export type LedgerOutcome = (typeof LEDGER_OUTCOMES)[number];

/**
 * The ledger: how each task ended. A row is written in the transaction of the task's effect, so both are kept or none.
 *
 * The JSON columns are `json` and not `jsonb`: they must return exactly what was stored, and `jsonb` refuses `\u0000`.
 */
export const TaskOutcome = defineEntity({
  name: "TaskOutcome",
  tableName: "task_outcome",
  properties: {
    taskId: p.text().primary(),
    task: p.text(),
    vo: p.text(),
    payloadHash: p.text(),
    attempt: p.integer().check("attempt >= 1"),
    outcome: p.enum(LEDGER_OUTCOMES),
    result: p.json<unknown>().columnType("json"),
    spawned: p.json<unknown>().columnType("json"),
    errors: p.json<unknown>().columnType("json"),
    /** When the next attempt is due. */
    dueAt: p.datetime().nullable().check("(due_at is not null) = (outcome = 'retry')"),
    /**
     * The parts of the next attempt's message, to publish it again if it is lost. Only read where `outcome` is `retry`.
     */
    message: p.json<unknown>().columnType("json").nullable(),
    settledAt: p.datetime().defaultRaw("now()"),
    /**
     * When all of `spawned` were known to be published; null until then. A row that spawned nothing has it from the
     * start.
     */
    publishedAt: p.datetime().nullable(),
  },
  indexes: [
    { name: "task_outcome_by_settled_at", properties: ["settledAt"] },
    { name: "task_outcome_unpublished", properties: ["settledAt"], where: "published_at is null" },
    { name: "task_outcome_retry", properties: ["taskId"], where: "outcome = 'retry'" },
    { name: "task_outcome_dead", properties: ["settledAt"], where: "outcome = 'dead'" },
  ],
});

export type TaskOutcome = InferEntity<typeof TaskOutcome>;
