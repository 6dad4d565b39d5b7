import type { ChoreContext, Figure, FigureSource } from "@muster/app";
import { countPilots, listCeSlots } from "@muster/logic";

/** The label of the pilots of CEs that were removed. */
const REMOVED = "other";

/** Pilots of each CE and state, and the slots of each CE, for `/metrics`. */
export function pilotFigures({ database }: Pick<ChoreContext, "database">): FigureSource {
  return {
    what: "pilots and CEs",
    metrics: [
      { name: "muster_pilots", help: "Pilots, by CE and state; `other`: of removed CEs.", labels: ["ce", "state"] },
      { name: "muster_ce_slots", help: "Slots of a CE: its capacity, 0 while it is disabled.", labels: ["ce"] },
    ],
    read: () =>
      database.transaction(async (transaction) => {
        const pilots = await countPilots(transaction);
        const ces = await listCeSlots(transaction);
        return [
          ...pilots.map(
            ({ ceName, status, count }): Figure => ({
              metric: "muster_pilots",
              labels: [ceName ?? REMOVED, status],
              value: count,
            }),
          ),
          ...ces.map(
            ({ ceName, capacity, enabled }): Figure => ({
              metric: "muster_ce_slots",
              labels: [ceName],
              value: enabled ? capacity : 0,
            }),
          ),
        ];
      }),
  };
}
