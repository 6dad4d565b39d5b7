import { escapeControls, locateDataFolder, readSettings } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { measureUsage, type StorageUsage, tryToStore, type Usage } from "@muster/tasks/operate";
import type { StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { count } from "../print/output.ts";
import { bad, type Finding, good, warning } from "./finding.ts";

/** Share of a limit from which it is reported. */
const REMARKABLE = 0.8;

const percent = (share: number) => `${Math.floor(share * 100)} %`;
const megabytes = (bytes: number) => `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;

function amounts({ used, limit, unit }: Usage): string {
  if (unit === "bytes") return `${megabytes(used)} of ${megabytes(limit)}`;
  return `${used.toLocaleString("en")} of ${count(limit, unit.slice(0, -1))}`;
}

/** Names what uses most of the space: one VO's waiting tasks if they are at least half of it, otherwise the largest stream. */
function culprit({ bytes, largest, firstVo }: StorageUsage): string {
  if (firstVo !== undefined && firstVo.bytes * 2 >= bytes) {
    const tasks = count(firstVo.tasks, "task");
    return `${tasks} of VO ${escapeControls(firstVo.vo)} that wait take most of it, about ${megabytes(firstVo.bytes)}`;
  }
  return `${largest.stream} takes most of it, ${megabytes(largest.bytes)}`;
}

/** Reports limits of the account and of streams that are nearly reached. */
export function judgeUsage(usage: StorageUsage): readonly Finding[] {
  return usage.limits
    .filter(({ used, limit }) => used >= limit * REMARKABLE)
    .map((limit) => {
      const who = limit.unit === "consumers" ? "" : `; ${culprit(usage)}`;
      const text = `${limit.what} is ${percent(limit.used / limit.limit)} used, ${amounts(limit)}${who}; delete what is not needed, or raise it`;
      return limit.used < limit.limit ? warning("storage", text) : bad("storage", text);
    });
}

/** Reports a nearly full disk under a folder. Space that is reserved for the superuser counts as used. */
export function judgeDisk(folder: string, { blocks, bavail, bsize }: StatsFs): readonly Finding[] {
  if (blocks === 0 || 1 - bavail / blocks < REMARKABLE) return [];
  const text = `the disk of ${folder} is ${percent(1 - bavail / blocks)} full, ${megabytes(bavail * bsize)} are free; make room: nothing can be stored on a full one`;
  return [warning("storage", text)];
}

/** Reports whether the broker can store, and what is nearly full: the account, streams, and the disk of a `muster up` on this machine. */
export async function examineStorage(broker: Broker): Promise<readonly Finding[]> {
  await tryToStore(broker);
  const folder = await locateDataFolder(readSettings());
  const usage = await measureUsage(broker);
  const findings = [
    ...broker.storage.problems().map((problem) => bad("storage", escapeControls(problem))),
    ...judgeUsage(usage),
    ...(folder === undefined ? [] : judgeDisk(folder, await statfs(folder))),
  ];
  if (findings.length > 0) return findings;
  return [good("storage", `takes messages; ${megabytes(usage.bytes)} are stored`)];
}
