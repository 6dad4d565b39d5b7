import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";
import { COUNT_INSERTED, COUNT_UPDATED } from "./pilot_ended.ts";

/** A pilot's states, in their order. In the first two the pilot occupies a slot of its CE. */
export const PILOT_STATUSES = ["SUBMITTED", "RUNNING", "DONE", "FAILED"] as const;
/** The state of a pilot. */
export type PilotStatus = (typeof PILOT_STATUSES)[number];

/**
 * A placeholder job on the grid.
 *
 * `ceName` is no foreign key: the pilots of a removed CE stay as history.
 */
export const Pilot = defineEntity({
  name: "Pilot",
  tableName: "pilot",
  properties: {
    id: p.bigint("number").primary().autoincrement(),
    ceName: p.text(),
    vo: p.text(),
    status: p.enum(PILOT_STATUSES).default("SUBMITTED"),
    submittedAt: p.datetime().defaultRaw("now()"),
    /** When the status last changed. */
    updatedAt: p.datetime().defaultRaw("now()"),
    /** The task that submitted it. It is unique, as a second guard beside the ledger: one task submits one pilot. */
    taskId: p.text().unique("pilot_task_id_unique"),
    /**
     * Active pilots and capacity that the submission's own transaction read. They prove that it did not exceed the
     * capacity.
     */
    activeBefore: p.integer(),
    capacityRead: p.integer(),
  },
  indexes: [
    // For the free slots of a CE. It stays small, since it holds active pilots only.
    { name: "pilot_active_by_ce", properties: ["ceName"], where: "status in ('SUBMITTED', 'RUNNING')" },
    // For the status round, which reads one VO's active pilots of one status. All counts of active pilots need no more than it holds.
    { name: "pilot_active_by_vo", properties: ["vo", "status", "ceName"], where: "status in ('SUBMITTED', 'RUNNING')" },
    // For lists of ended pilots, the newest first. Which shares there are is in `pilot_ended`.
    {
      name: "pilot_ended_by_share",
      properties: ["vo", "ceName", "status", "id"],
      where: "status in ('DONE', 'FAILED')",
    },
    // Holds breaches of capacity, and so nothing.
    {
      name: "pilot_over_capacity",
      properties: ["activeBefore", "capacityRead"],
      where: "active_before >= capacity_read",
    },
  ],
  triggers: [
    { name: "ended_by_update", timing: "after", events: ["update"], forEach: "statement", expression: COUNT_UPDATED },
    { name: "ended_by_insert", timing: "after", events: ["insert"], forEach: "row", expression: COUNT_INSERTED },
  ],
});

export type Pilot = InferEntity<typeof Pilot>;
