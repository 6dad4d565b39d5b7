import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";
import { OUTBOX_CHANNEL } from "../outbox/channel.ts";

/** What the trigger does after an insert. The database tells the listeners when the transaction commits. */
const TELL = `perform pg_notify('${OUTBOX_CHANNEL}', ''); return null;`;

/**
 * Tasks that an application has published in a transaction of its own, until they are in the broker's stream. A row exists if and only if
 * that transaction has committed.
 *
 * `payload` is `json` and not `jsonb`: the task is sent exactly as it was written.
 */
export const TaskOutbox = defineEntity({
  name: "TaskOutbox",
  tableName: "task_outbox",
  properties: {
    /** Order of insertion. An identity, so that a login needs no right on a sequence. */
    number: p.bigint("number").primary().generated("identity"),
    taskId: p.text().unique().defaultRaw("(gen_random_uuid())::text"),
    task: p.text(),
    /** The VO's name, or `_` for a task that is not per VO. */
    vo: p.text().default("_"),
    payload: p.json<unknown>().columnType("json").defaultRaw("'{}'::json"),
    payloadVersion: p.integer().default(1).check("payload_version >= 1"),
    /** Earliest start; null: at once. */
    startAt: p.datetime().nullable(),
    /** The publisher's own headers, each with one value. */
    headers: p.json<unknown>().columnType("json").defaultRaw("'{}'::json"),
    /** What else its publisher asked for, such as how long its result is kept. The task runner alone knows the fields. */
    options: p.json<unknown>().columnType("json").defaultRaw("'{}'::json"),
    createdAt: p.datetime().defaultRaw("now()"),
    /** When the task was set aside since it can never be published as it is; null: it was not. */
    refusedAt: p.datetime().nullable(),
    /** Why it was set aside, in one line. */
    reason: p.text().nullable(),
  },
  triggers: [{ name: "told", timing: "after", events: ["insert"], forEach: "statement", body: TELL }],
});
export type TaskOutbox = InferEntity<typeof TaskOutbox>;
