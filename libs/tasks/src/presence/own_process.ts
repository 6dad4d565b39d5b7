import { readFileSync, readlinkSync } from "node:fs";

/** A process, told so that a later one of the same machine can see whether it still runs. */
export interface NamedProcess {
  /** The machine since its last start, and the space in which its process ids count. */
  readonly place: string;
  readonly pid: number;
  /** When it started, in ticks since the machine's start: a later process may have the same id. */
  readonly startedTicks: string;
}

/** State and start of the process `pid`; undefined where nothing can be read of it. */
function statOf(pid: number): { readonly state: string; readonly startedTicks: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name before it may hold anything, also spaces and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", startedTicks: fields[19] ?? "" };
  } catch {
    return undefined; // it has ended, or is hidden from us
  }
}

function placeOf(): string | undefined {
  try {
    const machine = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${machine} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return undefined; // not Linux
  }
}

/** This process; undefined where nothing tells one machine from another without a doubt, as on macOS. */
export function ownProcess(): NamedProcess | undefined {
  const place = placeOf();
  const stat = statOf(process.pid);
  return place === undefined || stat === undefined
    ? undefined
    : { place, pid: process.pid, startedTicks: stat.startedTicks };
}

/** Whether `other` was a process of this machine and has surely ended. False also where nobody can tell. */
export function hasEnded(other: NamedProcess): boolean {
  if (other.place !== placeOf()) return false;
  try {
    process.kill(other.pid, 0); // asks only
  } catch (error) {
    // Any other refusal: it is there, and somebody else's.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return true;
  }
  const stat = statOf(other.pid);
  if (stat === undefined) return false;
  // A process that nobody has waited for yet keeps its id, and runs no more.
  return stat.state === "Z" || stat.state === "X" || stat.startedTicks !== other.startedTicks;
}
