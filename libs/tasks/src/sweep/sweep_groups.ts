// Tested by tests/src/worker/group_test.ts
import { readStored } from "../broker/timed_entry.ts";
import { purgeMatching } from "../broker/stored_messages.ts";
import type { GroupSpec } from "../group/group_state.ts";
import { createGroups } from "../group/groups.ts";
import { BUCKET_STREAM, groupKey, groupSubjects, listGroupIds } from "../group/keys.ts";
import { REST } from "../lead/charges.ts";
import type { SweepContext } from "./sweep_context.ts";

/** Greatest number of open groups that are looked at in one pass. The next pass goes on with the others. */
const LOOKED_AT = 500;
/** Time for which a group is kept after its callback has ended, ms. */
const KEPT_MS = 24 * 3_600_000;

/** Looks after groups: counts those whose counter died, closes those whose deadline has passed, and removes old ones. */
export interface GroupSweep {
  /** One look at all groups. Takes one request where there is none. Throws where the broker is silent. */
  pass(): Promise<void>;
}

export function createGroupSweep(context: SweepContext): GroupSweep {
  const { broker, clock, report } = context;
  const groups = createGroups(broker);
  /** When the callbacks of groups have ended, ms since the epoch. */
  const endedAt = new Map<string, number>();
  let from = 0;

  async function expire(spec: GroupSpec): Promise<void> {
    await groups.expire(spec);
    const text = `Closed group ${spec.id} at its deadline ${spec.deadlineAt}: some of its ${spec.total} children had not ended`;
    report.note(`group ${spec.id}`, text, { group: spec.id });
  }

  async function remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const atMs = endedAt.get(id) ?? (await readStored(broker.jsm, "results", groupKey(id, "then")))?.storedAtMs;
      if (atMs === undefined) continue;
      endedAt.set(id, atMs);
      if (clock.now() - atMs < KEPT_MS) continue;
      await purgeMatching(broker, BUCKET_STREAM, groupSubjects(id));
      endedAt.delete(id);
    }
  }

  return {
    async pass() {
      if (!context.charges.led.has(REST)) return;
      const all = await listGroupIds(broker, "spec");
      if (all.length === 0) return;
      const called = new Set(await listGroupIds(broker, "called"));
      const open = all.filter((id) => !called.has(id));
      if (from >= open.length) from = 0;
      for (const id of open.slice(from, from + LOOKED_AT)) {
        const spec = await groups.check(id);
        if (spec !== undefined && Date.parse(spec.deadlineAt) <= clock.now()) await expire(spec);
      }
      from += LOOKED_AT;
      await remove(await listGroupIds(broker, "then"));
    },
  };
}
