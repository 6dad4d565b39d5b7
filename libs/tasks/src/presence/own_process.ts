import { readFileSync, readlinkSync } from "node:fs";

/** Names a process so that a later process of the same machine can see whether it still runs. */
export interface NamedProcess {
  /** The machine since its last start, and the namespace of its process ids. */
  readonly place: string;
  readonly pid: number;
  /** When it started, in ticks since the machine's start. It tells the process from a later one with the same id. */
  readonly startedTicks: string;
}

/** Returns state and start of the process `pid`; undefined where they cannot be read. */
function statOf(pid: number): { readonly state: string; readonly startedTicks: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The process name before these fields may contain spaces and brackets.
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

/** Returns this process; undefined where nothing certain tells one machine from another, as on macOS. */
export function ownProcess(): NamedProcess | undefined {
  const place = placeOf();
  const stat = statOf(process.pid);
  return place === undefined || stat === undefined
    ? undefined
    : { place, pid: process.pid, startedTicks: stat.startedTicks };
}

/** Whether `other` was a process of this machine and has certainly ended. Returns false where nobody can tell. */
export function hasEnded(other: NamedProcess): boolean {
  if (other.place !== placeOf()) return false;
  try {
    process.kill(other.pid, 0); // signal 0 only asks whether it is there
  } catch (error) {
    // Any other error means that the process is there and belongs to another user.
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return true;
  }
  const stat = statOf(other.pid);
  if (stat === undefined) return false;
  // A zombie keeps its id until its parent has waited for it, but it does not run any more.
  return stat.state === "Z" || stat.state === "X" || stat.startedTicks !== other.startedTicks;
}
