import { readdir, readFile } from "node:fs/promises";

/** The kernel's unit of a process's CPU time, ms. */
const TICK_MS = 10;

/** CPU time that the process has used since its start, with all its threads, ms. */
export async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name before these fields may hold spaces. It ends at the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Memory that the process holds now, MB. */
export async function residentMb(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1_024;
}

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  /** CPU time of the process and of its children that have ended, ms. */
  readonly cpuMs: number;
}

async function timesOf(pid: string): Promise<ProcessTimes | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined); // it has just ended
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid: Number(pid), parent: Number(fields[1]), cpuMs: ticks * TICK_MS };
}

/** CPU time that the process and all below it have used, also those that have ended, ms. */
export async function treeCpuMs(pid: number): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const times = (await Promise.all(pids.map(timesOf))).filter((each) => each !== undefined);
  const below = Map.groupBy(times, ({ parent }) => parent);
  const own = times.find((each) => each.pid === pid);
  const wanted = own === undefined ? [] : [own];
  // The list grows while it is read.
  for (const each of wanted) wanted.push(...(below.get(each.pid) ?? []));
  return wanted.reduce((sum, { cpuMs: ms }) => sum + ms, 0);
}
