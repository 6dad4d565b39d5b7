/** For tests only: PostgreSQL servers whose databases have the tables of CEs and pilots. Not part of the build. */
import {
  type OwnTestServer,
  startDurableTestServer as startDurable,
  startOldestTestServer as startOldest,
  startSharedTestServer as startShared,
  startTestServer as start,
  type TestServer,
} from "@muster/ledger/testing";
import { pilotTables } from "../schema/pilot_tables.ts";

export { SUBMIT_PILOT } from "../pilots/submit_pilot.ts";

const tables = [pilotTables];

/** The ledger's `startTestServer`, with these tables. */
export function startTestServer(): Promise<TestServer> {
  return start({ tables });
}

/** The ledger's `startOldestTestServer`, with these tables. */
export function startOldestTestServer(): Promise<OwnTestServer> {
  return startOldest({ tables });
}

/** The ledger's `startDurableTestServer`, with these tables. */
export function startDurableTestServer(): Promise<OwnTestServer> {
  return startDurable({ tables });
}

/** The ledger's `startSharedTestServer`, with these tables. */
export function startSharedTestServer(): ReturnType<typeof startShared> {
  return startShared({ tables });
}
