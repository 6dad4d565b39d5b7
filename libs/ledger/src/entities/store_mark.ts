import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";

/**
 * Up to where NATS and the database have gone together: one row, which the leading scheduler rewrites. NATS has its half of the mark under
 * the same number. A store that was restored to an earlier state has the lower one.
 */
export const StoreMark = defineEntity({
  name: "StoreMark",
  tableName: "store_mark",
  properties: {
    /** Always `nats`. */
    name: p.text().primary(),
    /** Raised by one with each mark. */
    number: p.bigint("number"),
    /** How far each stream of NATS was, by its name: when it was created, and its last sequence. */
    positions: p.json<unknown>().columnType("json"),
    /** The last revision of the bucket of locks. Fencing tokens that no transaction has stored lie below it as well. */
    locksRevision: p.bigint("number"),
    markedAt: p.datetime().defaultRaw("now()"),
  },
});

export type StoreMark = InferEntity<typeof StoreMark>;
