import type { Broker } from "../broker/broker.ts";
import { listStoredByHand, type StoredByHand } from "../broker/stored_by_hand.ts";

/** A key in the bucket that is no lock: who leads what. Somebody may write a value of his own there, which is told elsewhere. */
export const NO_LOCK = "scheduler.leader";

/** Lists the entries that somebody stored by hand among the locks. Nobody will free them, and tasks may wait. Throws when nobody answers. */
export async function listLocksByHand(broker: Pick<Broker, "jsm">): Promise<readonly StoredByHand[]> {
  return (await listStoredByHand(broker, "locks")).filter(({ key }) => key !== NO_LOCK);
}
