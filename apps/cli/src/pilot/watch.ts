// Tested by tests/src/cli/pilot_test.ts
import type { Database } from "@muster/ledger";
import { listPilots, type PilotRow, type PilotStatus } from "@muster/logic";
import { escapeControls } from "@muster/service";
import { Command } from "commander";
import { setTimeout as pause } from "node:timers/promises";
import { examples } from "../print/examples.ts";
import type { OutputOptions } from "../print/output.ts";
import { followedOf, printsText } from "../print/screen.ts";
import { withPilots } from "../run/servers.ts";
import { type ChooseOptions, withChoice } from "./list.ts";

const WATCH = ["muster pilot watch", "muster pilot watch --vo lhcb --json | jq -r .status"];

/** Time between two looks, ms. */
const EVERY_MS = 2_000;
/** Greatest number of pilots that are followed: the newest active ones. */
const FOLLOWED = 10_000;

/** A pilot whose status has changed. */
interface Step {
  /** When, RFC 3339. */
  readonly at: string;
  readonly pilot: number;
  readonly ceName: string;
  readonly vo: string;
  /** Its status at the look before; null: it was not there. */
  readonly from: PilotStatus | null;
  readonly status: PilotStatus;
  readonly taskId: string;
}

/** What was seen at the look before. */
interface Seen {
  readonly active: ReadonlyMap<number, PilotStatus>;
  /** The largest id of any pilot, 0 before the first look. */
  readonly newest: number;
}

/**
 * The pilots that hold slots, and those that hold none: they held one at the look before, or are newer than it. Four queries by indexes,
 * whatever the number of ended pilots.
 */
async function look(database: Database, before: Seen, { vo, ce }: ChooseOptions) {
  return await database.transaction(async (from) => {
    const [last] = await listPilots(from, {}, 1);
    const newest = Math.max(before.newest, last?.id ?? 0);
    const active = await listPilots(from, { vo, ceName: ce, statuses: ["SUBMITTED", "RUNNING"] }, FOLLOWED);
    const still = new Set(active.map(({ id }) => id));
    const gone = [...before.active.keys()].filter((id) => !still.has(id));
    const ended = gone.length === 0 ? [] : await listPilots(from, { ids: gone }, gone.length);
    const isFirst = before.newest === 0;
    const fresh = isFirst ? [] : await listPilots(from, { vo, ceName: ce, after: before.newest }, FOLLOWED);
    return { active, ended: [...ended, ...fresh.filter(({ id }) => !still.has(id))], newest };
  });
}

function stepOf({ id, ceName, vo, status, updatedAt, taskId }: PilotRow, from: PilotStatus | null): Step {
  return { at: updatedAt.toISOString(), pilot: id, ceName, vo, from, status, taskId };
}

function tell(step: Step): void {
  const { at, pilot, ceName, vo, from, status } = step;
  const change = from === null ? status : `${from} -> ${status}`;
  console.log(followedOf(step) ?? escapeControls(`${at}  pilot ${pilot}  ${ceName}  ${vo}  ${change}`));
}

async function watch(options: ChooseOptions & OutputOptions): Promise<void> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  process.once("SIGINT", interrupt).once("SIGTERM", interrupt);
  try {
    await withPilots(async (database) => {
      const first = await look(database, { active: new Map(), newest: 0 }, options);
      const known = new Map(first.active.map(({ id, status }) => [id, status]));
      let { newest } = first;
      if (printsText()) console.log(`${known.size} pilots are active; their changes follow`);
      while (!interrupted.signal.aborted) {
        await pause(EVERY_MS, undefined, { signal: interrupted.signal }).catch(() => undefined); // it was interrupted
        if (interrupted.signal.aborted) return;
        const { active, ended, ...now } = await look(database, { active: known, newest }, options);
        newest = now.newest;
        const changed = [...active, ...ended].filter(({ id, status }) => known.get(id) !== status);
        for (const pilot of changed.sort((a, b) => a.updatedAt.getTime() - b.updatedAt.getTime())) {
          tell(stepOf(pilot, known.get(pilot.id) ?? null));
        }
        for (const { id } of ended) known.delete(id);
        for (const { id, status } of active) known.set(id, status);
      }
    });
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

/** `muster pilot watch`. */
export function watchPilotsCommand(): Command {
  return withChoice(new Command("watch"))
    .description("each change of a pilot's status, as it is seen, until Ctrl-C; looks each 2 s")
    .option("--json", "print one JSON object a line, as it happens")
    .addHelpText("after", examples(...WATCH))
    .action(watch);
}
