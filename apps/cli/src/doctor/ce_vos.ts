// Tested by tests/src/cli/doctor_ces_test.ts
import { listCes } from "@muster/logic";
import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { activeVos, readConfiguration } from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { locateDatabase, openOwnDatabase } from "../run/servers.ts";
import { type Finding, good, warning } from "./finding.ts";

const ABOUT = "CEs";
/** Largest number of CEs that are named. The others are counted. */
const NAMED = 10;

function describe(name: string, unknown: readonly string[], isClosed: boolean): string {
  const vos = `${unknown.length === 1 ? "VO" : "VOs"} ${unknown.join(", ")}`;
  const fate = isClosed ? ", and no others: it gets no pilots" : "";
  const add = unknown.map((vo) => `\`muster vo add ${vo}\``).join(", ");
  return `${name} takes ${vos}, not configured${fate}; add with ${add}, or name the right ones: \`muster ce change ${name} --vo <vo>\``;
}

/** Reports CEs that are limited to VOs which are not configured, as after a misspelt name. Throws where the database does not answer. */
export async function examineVosOfCes(broker: Broker): Promise<readonly Finding[]> {
  const configured = new Set(activeVos(await readConfiguration(broker)));
  await using database = await openOwnDatabase({
    url: await locateDatabase(),
    poolSize: 1,
    applicationName: "muster doctor",
  });
  const found = (await database.transaction(listCes)).flatMap(({ name, vos }) => {
    const unknown = (vos ?? []).filter((vo) => !configured.has(vo));
    return unknown.length === 0 ? [] : [{ name, unknown, isClosed: unknown.length === vos?.length }];
  });
  if (found.length === 0) return [good(ABOUT, "each takes VOs that are configured")];
  const named = found
    .slice(0, NAMED)
    .map(({ name, unknown, isClosed }) => warning(ABOUT, escapeControls(describe(name, unknown, isClosed))));
  const more = found.length - named.length;
  if (more === 0) return named;
  return [
    ...named,
    warning(ABOUT, `${count(more, "more CE")} with VOs that are not configured; see \`muster ce list\``),
  ];
}
