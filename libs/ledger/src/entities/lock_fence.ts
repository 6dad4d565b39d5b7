import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";

/**
 * The newest lease that has written under a lock's key. Each transaction raises its row first, and keeps the row locked
 * until it ends.
 */
export const LockFence = defineEntity({
  name: "LockFence",
  tableName: "lock_fence",
  properties: {
    key: p.text().primary(),
    /** The fencing token: the revision that began the lease. */
    revision: p.bigint("number"),
    /**
     * The random name under which the lease was taken. It tells two leases apart if one revision is ever given out
     * twice.
     */
    holder: p.text(),
    raisedAt: p.datetime().defaultRaw("now()"),
  },
});

export type LockFence = InferEntity<typeof LockFence>;
