import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";

/** A pilot's states, in the order it goes through them; it occupies a slot of its CE in the first two. */
export const PILOT_STATUSES = ["SUBMITTED", "RUNNING", "DONE", "FAILED"] as const;
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
    /** The task that submitted it. Unique: a second guard beside the ledger that one task submits one pilot. */
    taskId: p.text().unique("pilot_task_id_unique"),
    /**
     * What the submission's own transaction read, kept as the proof that it took its CE no further than it was allowed.
     */
    activeBefore: p.integer(),
    capacityRead: p.integer(),
  },
  indexes: [
    // Free slots of a CE. Small whatever the history: only active pilots are in it.
    { name: "pilot_active_by_ce", properties: ["ceName"], where: "status in ('SUBMITTED', 'RUNNING')" },
    // One VO's pilots of one status, for the status round; the CE beside them for the live view.
    { name: "pilot_by_vo_status", properties: ["vo", "status", "ceName"] },
  ],
});

export type Pilot = InferEntity<typeof Pilot>;
