import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";

/** A site's door: takes pilots, `capacity` of them at once. */
export const ComputeElement = defineEntity({
  name: "ComputeElement",
  tableName: "compute_element",
  properties: {
    /** In lower case, so that no host is there under two names. */
    name: p.text().primary().check(`name = lower(name collate "C")`),
    /**
     * Slots: how many pilots may be active here at once, of all VOs together. May be set below the active ones; those
     * run on.
     */
    capacity: p.integer().check("capacity >= 0"),
    /**
     * Share of pilots that end well, 0 to 1: chance of a submission to succeed, and of a running pilot to end DONE.
     * The numbers of its check are quoted since MikroORM misreads the cast that PostgreSQL stores around bare ones.
     */
    successRate: p.double().check("success_rate >= '0' and success_rate <= '1'"),
    /** A disabled CE takes no new pilot; those it has run on. */
    enabled: p.boolean().default(true),
    /**
     * The VOs that may submit here; null: all. An array in the row itself and not a table beside it, so that the one
     * row lock of a submission covers it too.
     */
    vos: p.array().columnType("text[]").nullable(),
    createdAt: p.datetime().defaultRaw("now()"),
  },
});

export type ComputeElement = InferEntity<typeof ComputeElement>;
