import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";

/**
 * A pilot that a VO has asked for, and whose task may still wait in the stream. Its slot is reserved until that task
 * has an outcome.
 */
export const PilotRequest = defineEntity({
  name: "PilotRequest",
  tableName: "pilot_request",
  properties: {
    /** The task that is to submit the pilot. */
    taskId: p.text().primary(),
    ceName: p.text(),
    vo: p.text(),
    requestedAt: p.datetime().defaultRaw("now()"),
  },
  indexes: [{ name: "pilot_request_by_vo", properties: ["vo", "ceName"] }],
});

export type PilotRequest = InferEntity<typeof PilotRequest>;
