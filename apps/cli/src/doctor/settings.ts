import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import {
  describeDifference,
  INCIDENT_DAYS,
  inspectConsumers,
  listIncidents,
  type StreamState,
} from "@muster/tasks/operate";
import { bad, type Finding, good, warning } from "./finding.ts";

/** Largest number of incidents that are shown, the newest first. The others are counted. */
const SHOWN = 20;

/** Reports the present settings of streams and buckets that a user has changed by hand. */
export function examineSettings(streams: readonly StreamState[]): readonly Finding[] {
  const differences = streams.flatMap((stream) => stream.differences);
  if (differences.length === 0) return [good("settings", "those of streams and buckets are right")];
  return differences.map((difference) => {
    const fate =
      difference.canBeSetBack === "yes"
        ? "any running app sets it back"
        : "the server does not allow the change: wait until nothing waits, stop all apps, delete the stream, and start the apps";
    return bad("settings", `${escapeControls(describeDifference(difference))}; ${fate}`);
  });
}

/** Reports the present settings of lanes' consumers that a user has changed by hand. */
export async function examineConsumers(broker: Broker): Promise<readonly Finding[]> {
  const differences = await inspectConsumers(broker);
  const shown = differences
    .slice(0, SHOWN)
    .map((difference) =>
      bad("settings", `${escapeControls(describeDifference(difference))}; the leading scheduler sets it back`),
    );
  const more = differences.length - shown.length;
  return more > 0 ? [...shown, bad("settings", `${more} more of consumers`)] : shown;
}

/** Reports what has happened to streams, buckets and consumers in the last {@linkcode INCIDENT_DAYS}. */
export async function examineIncidents(broker: Broker): Promise<readonly Finding[]> {
  const incidents = await listIncidents(broker);
  const shown = incidents.slice(0, SHOWN).map(({ text, at, firstAt, times }) => {
    const when = times === 1 ? `at ${at}` : `${times} times from ${firstAt} to ${at}`;
    return warning("incidents", `${escapeControls(text)} (${when})`);
  });
  const more = incidents.length - shown.length;
  return more > 0 ? [...shown, warning("incidents", `${more} more in the last ${INCIDENT_DAYS} days`)] : shown;
}
