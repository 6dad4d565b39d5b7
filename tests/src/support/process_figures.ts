import { readFile } from "node:fs/promises";

/** The kernel's unit of a process's CPU time, ms. */
const TICK_MS = 10;

/** Memory of a process, MB. */
export interface ProcessMemory {
  readonly now: number;
  /** The most that it has held. */
  readonly most: number;
}

/** What the kernel tells of a process. */
export interface ProcessTimes {
  readonly parent: number;
  /** CPU time since its start, with all its threads, ms. */
  readonly cpuMs: number;
  /** The same of its children that have ended, ms. */
  readonly childrenCpuMs: number;
}

/** Reads the times of a process. Throws when it has ended. */
export async function timesOf(pid: number | string): Promise<ProcessTimes> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  // The name before these fields may hold spaces. It ends at the last parenthesis.
  const fields = stat
    .slice(stat.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [, parent = 0] = fields;
  const [own = 0, ownOfSystem = 0, children = 0, childrenOfSystem = 0] = fields.slice(11);
  return { parent, cpuMs: (own + ownOfSystem) * TICK_MS, childrenCpuMs: (children + childrenOfSystem) * TICK_MS };
}

/** CPU time that the process has used since its start, with all its threads, ms. */
export async function cpuMs(pid: number): Promise<number> {
  return (await timesOf(pid)).cpuMs;
}

/** Memory that the process holds now, and the most that it has held, MB. */
export async function memoryMb(pid: number): Promise<ProcessMemory> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) / 1_024;
  return { now: field("VmRSS"), most: field("VmHWM") };
}
