// Tested by tests/src/cli/doctor_restored_test.ts
import { findFalls } from "@muster/app";
import type { Broker } from "@muster/tasks";
import type { StoreFall } from "@muster/tasks/operate";
import { locateDatabase, openOwnDatabase } from "../run/servers.ts";
import { bad, type Finding, good } from "./finding.ts";

const ABOUT = "restored";

function describe(fall: StoreFall): string {
  const what = fall.kind.startsWith("NATS") ? "NATS" : "PostgreSQL";
  const from = "since" in fall ? ` of ${fall.since}` : "";
  return `${what} was restored to an earlier state${from} or made anew, and nobody has looked at what that means; start apps/scheduler, which tells it as an incident within a minute`;
}

/**
 * Reports a store that was restored to an earlier state, until the leading scheduler has dealt with it. From then on it is an incident.
 *
 * Says nothing where the database cannot be used: the look at the database itself says why.
 */
export async function examineRestored(broker: Broker): Promise<readonly Finding[]> {
  const options = { url: await locateDatabase(), poolSize: 1, applicationName: "muster doctor" };
  await using database = await openOwnDatabase(options);
  const isUsable = await database.checkSchema().then(
    () => true,
    () => false,
  );
  if (!isUsable) return [];
  const falls = (await findFalls({ broker, database })) ?? [];
  if (falls.length > 0) return falls.map((fall) => bad(ABOUT, describe(fall)));
  return [good(ABOUT, "neither NATS nor PostgreSQL is behind the other")];
}
