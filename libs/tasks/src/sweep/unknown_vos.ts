// Tested by tests/src/cli/doctor_unknown_vos_test.ts
import type { Broker } from "../broker/broker.ts";
import { nextMatching } from "../broker/stored_messages.ts";
import type { Configuration } from "../configuration/configuration.ts";
import { NO_VO } from "../format/names.ts";
import { inParallel } from "../lead/in_parallel.ts";
import { TASKS } from "../streams/streams.ts";
import { addressOf } from "./unknown_tasks.ts";

/** Messages in TASKS for a VO that is not configured. Where they are older than the configuration they wait until it is added. */
export interface UnknownVo {
  readonly vo: string;
  readonly count: number;
  /** When the oldest was stored. Null: it was not looked up, as for all but the first ten VOs, or is gone. */
  readonly oldestAt: Date | null;
}

/** Greatest number of VOs whose oldest message is looked up. */
const ASKED = 10;

/** What waits in TASKS for VOs that are neither configured nor removed: those with most messages first. Throws when nobody answers. */
export async function listUnknownVos(
  { jsm }: Pick<Broker, "jsm">,
  { vos }: Configuration,
): Promise<readonly UnknownVo[]> {
  const { state } = await jsm.streams.info(TASKS, { subjects_filter: "tasks.>" });
  const counts = new Map<string, number>();
  for (const [subject, count] of Object.entries(state.subjects ?? {})) {
    const vo = addressOf(subject)?.vo;
    // What was removed is dropped by the scheduler.
    if (vo !== undefined && vo !== NO_VO && !Object.hasOwn(vos, vo)) counts.set(vo, (counts.get(vo) ?? 0) + count);
  }
  const fullest = [...counts].sort(([a, most], [b, fewer]) => fewer - most || (a < b ? -1 : 1));
  const oldest = await inParallel(fullest.slice(0, ASKED), ASKED, ([vo]) =>
    // A VO's name holds no pattern: it was parsed above.
    nextMatching(jsm, TASKS, { from: 1, filter: `tasks.*.${vo}` }),
  );
  return fullest.map(([vo, count], index) => ({ vo, count, oldestAt: oldest[index]?.time ?? null }));
}
