import type { Broker } from "../broker/broker.ts";
import { type Marker, readMarker } from "../broker/marker.ts";
import { inParallel } from "../lead/in_parallel.ts";

/** Greatest number of markers that are read at the same time. */
const AT_ONCE = 256;

/** Reads the markers on `subjects`, in their order; undefined where there is none. Throws when nobody answers. */
export function readMarkers(broker: Broker, subjects: readonly string[]): Promise<(Marker | undefined)[]> {
  return inParallel(subjects, AT_ONCE, (subject) => readMarker(broker, subject));
}
