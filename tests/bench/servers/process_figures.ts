import { readdir } from "node:fs/promises";
import { type ProcessTimes, timesOf } from "../../src/support/process_figures.ts";

interface KnownProcess extends ProcessTimes {
  readonly pid: number;
}

async function find(pid: string): Promise<KnownProcess | undefined> {
  const times = await timesOf(pid).catch(() => undefined); // it has just ended
  return times && { pid: Number(pid), ...times };
}

/** CPU time that the process and all below it have used, also those that have ended, ms. */
export async function treeCpuMs(pid: number): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const all = (await Promise.all(pids.map(find))).filter((each) => each !== undefined);
  const below = Map.groupBy(all, ({ parent }) => parent);
  const wanted = all.filter((each) => each.pid === pid);
  // The list grows while it is read.
  for (const each of wanted) wanted.push(...(below.get(each.pid) ?? []));
  return wanted.reduce((sum, { cpuMs, childrenCpuMs }) => sum + cpuMs + childrenCpuMs, 0);
}
