import { listVosWithOutcomes } from "@muster/ledger";
import { listHeardOfVos } from "@muster/logic";
import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { activeVos, findConfiguration } from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { hasPilots } from "../run/extensions.ts";
import { describeFailure } from "../run/failure.ts";
import { locateDatabase, openOwnDatabase } from "../run/servers.ts";
import { bad, type Finding, good, warning } from "./finding.ts";
import { UNTOLD } from "./follow_ups.ts";

const ABOUT = "configuration";
/** Largest number of names that are shown. The others are counted. */
const SHOWN = 10;

function named(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return `${names.slice(0, SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** There is no VO. Either the system is new, or it has lost its configuration. PostgreSQL may have rows of VOs. */
async function examineWithoutVos(): Promise<Finding> {
  await using database = await openOwnDatabase({
    url: await locateDatabase(),
    poolSize: 1,
    applicationName: "muster doctor",
  });
  const heardOf = await database.transaction((await hasPilots()) ? listHeardOfVos : listVosWithOutcomes);
  if (heardOf.length === 0) return warning(ABOUT, "no VO is configured yet; add one with `muster vo add`");
  const what = `no VO is configured, and the database has pilots or outcomes of ${named(heardOf)}`;
  return bad(ABOUT, `${what}: the configuration was lost; add them again with \`muster vo add\``);
}

function untold(error: unknown): Finding {
  return warning(ABOUT, `${UNTOLD}: ${describeFailure(error)}`);
}

/** Reports which configuration is in force, and why a newer one is not. */
export async function examineConfiguration(broker: Broker): Promise<readonly Finding[]> {
  const { configuration, revision, problem, unknown } = await findConfiguration(broker);
  const vos = activeVos(configuration);
  const findings: Finding[] = problem === undefined ? [] : [bad(ABOUT, problem.text)];
  if (unknown.length > 0) {
    const which = `revision ${revision} has fields that this version does not know, and that have no effect`;
    findings.push(warning(ABOUT, `${which}: ${named(unknown)}; misspelt, or of a newer version`));
  }
  const isEmpty = Object.keys(configuration.vos).length === 0;
  if (isEmpty) findings.push(await examineWithoutVos().catch(untold));
  if (findings.length === 0)
    findings.push(good(ABOUT, `revision ${revision} is in force, with ${count(vos.length, "VO")}`));
  return findings.map(({ about, state, text }) => ({ about, state, text: escapeControls(text) }));
}
