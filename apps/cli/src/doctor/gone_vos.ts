import { listActivePilots } from "@muster/logic";
import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { activeVos, readConfiguration } from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { locateDatabase, openOwnDatabase } from "../run/servers.ts";
import { type Finding, warning } from "./finding.ts";

/** Largest number of VOs that are named. The others are counted. */
const NAMED = 10;

/**
 * Finds slots that are held by pilots of VOs that are not configured. No task checks those pilots. Throws where the database does not
 * answer.
 */
export async function examineGoneVos(broker: Broker): Promise<readonly Finding[]> {
  const configured = new Set(activeVos(await readConfiguration(broker)));
  await using database = await openOwnDatabase({
    url: await locateDatabase(),
    poolSize: 1,
    applicationName: "muster doctor",
  });
  const gone = (await database.transaction(listActivePilots)).filter(({ vo }) => !configured.has(vo));
  const named = gone.slice(0, NAMED).map(({ vo, active }): Finding => {
    const text = `${count(active, "pilot")} of VO ${vo} hold slots, and it is not configured: nobody checks them; add it again, or \`muster pilot write-off --vo ${vo}\``;
    return warning("pilots", escapeControls(text));
  });
  const others = gone.slice(NAMED).reduce((sum, { active }) => sum + active, 0);
  if (others === 0) return named;
  const text = `${count(others, "pilot")} of ${count(gone.length - NAMED, "other VO")} that are not configured hold slots; see \`muster pilot summary\``;
  return [...named, warning("pilots", text)];
}
