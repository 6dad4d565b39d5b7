import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";

/** A compute element of a site. It takes at most `capacity` pilots at once. */
export const ComputeElement = defineEntity({
  name: "ComputeElement",
  tableName: "compute_element",
  properties: {
    /** In lower case, so that no host is listed under two names. */
    name: p.text().primary().check(`name = lower(name collate "C")`),
    /** Slots: most active pilots, of all VOs together. May be set below the number of active ones; those run on. */
    capacity: p.integer().check("capacity >= 0"),
    /**
     * Share of pilots that end well, 0 to 1. It is the chance of a submission to succeed, and of a running pilot to end
     * DONE. The numbers of its check are quoted, since MikroORM misreads the cast that PostgreSQL stores around bare
     * ones.
     */
    successRate: p.double().check("success_rate >= '0' and success_rate <= '1'"),
    /** A disabled CE takes no new pilot; its active ones run on. */
    enabled: p.boolean().default(true),
    /**
     * The VOs that may submit here; null: all. It is an array in this row and not a table of its own, so that a
     * submission's row lock covers it too.
     */
    vos: p.array().columnType("text[]").nullable(),
    createdAt: p.datetime().defaultRaw("now()"),
  },
});

export type ComputeElement = InferEntity<typeof ComputeElement>;
