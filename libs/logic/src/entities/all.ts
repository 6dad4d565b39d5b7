import type { TablesOf } from "@muster/ledger";
import { ComputeElement } from "./compute_element.ts";
import { Pilot } from "./pilot.ts";
import { PilotEnded } from "./pilot_ended.ts";
import { PilotRequest } from "./pilot_request.ts";

/** The entities of CEs and pilots. */
export const pilotEntities = [ComputeElement, Pilot, PilotEnded, PilotRequest] as const;

/** The tables of CEs and pilots, as Kysely knows them. */
export type PilotDb = TablesOf<typeof pilotEntities>;
