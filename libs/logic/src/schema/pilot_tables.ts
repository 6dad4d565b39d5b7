import type { TableSet } from "@muster/ledger";
import { pilotEntities } from "../entities/all.ts";
import { SUBMIT_PILOT } from "../pilots/submit_pilot.ts";
import { CreateTables } from "./m0001_tables.ts";
import { LowerCeNames } from "./m0002_ce_names.ts";
import { CountEndedPilots, PILOT_INDEXES } from "./m0003_ended_pilots.ts";

/**
 * The tables of CEs and pilots. A list and no search of a folder, so that the build holds it too.
 *
 * ```ts
 * import { migrate, openDatabase } from "@muster/ledger";
 * await migrate(url, { tables: [pilotTables] });
 * await using database = await openDatabase({ url, tables: [pilotTables] });
 * ```
 */
export const pilotTables: TableSet = {
  name: "pilots",
  entities: pilotEntities,
  migrations: [
    { name: "0001_tables", class: CreateTables },
    { name: "0002_ce_names", class: LowerCeNames },
    { name: "0003_ended_pilots", class: CountEndedPilots, indexes: PILOT_INDEXES },
  ],
  rights: {
    pilot: ["select", "insert", "update"],
    // The triggers of `pilot` write it.
    pilot_ended: ["select", "insert", "update"],
    pilot_request: ["select", "insert", "delete"],
    // Tasks only read it; the operator's commands write it.
    compute_element: ["select"],
  },
  frequent: [SUBMIT_PILOT],
  inFormerList: ["0001_tables", "0002_ce_names"],
};
