import type { Tally, TallyLease, TallyWaiting } from "./tally.ts";

/**
 * Checks a tally's text by hand. The keeper's thread reads tallies, and each process has such a thread: zod would add 80 ms of CPU to the
 * start of every worker.
 */

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function haveType(fields: Fields, type: "string" | "number", ...names: readonly string[]): boolean {
  return names.every((name) => typeof fields[name] === type);
}

function isSide(mode: unknown): mode is "shared" | "exclusive" {
  return mode === "shared" || mode === "exclusive";
}

function isLease(value: unknown): value is TallyLease {
  return (
    isObject(value) &&
    haveType(value, "string", "holder", "worker", "taskId", "since") &&
    haveType(value, "number", "untilMs", "ttlMs") &&
    (value["mode"] === undefined || isSide(value["mode"]))
  );
}

function isWaiting(value: unknown): value is TallyWaiting {
  return (
    isObject(value) &&
    haveType(value, "string", "line", "worker") &&
    haveType(value, "number", "untilMs", "ttlMs") &&
    isSide(value["mode"])
  );
}

function isTake(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === "number");
}

function isEpoch(value: unknown): value is NonNullable<Tally["epoch"]> {
  return (
    isObject(value) &&
    typeof value["id"] === "string" &&
    (value["token"] === undefined || typeof value["token"] === "number")
  );
}

/** Returns the items if all are well; none where the field is absent. */
function listOf<Item>(value: unknown, isItem: (item: unknown) => item is Item): Item[] | undefined {
  if (value === undefined) return [];
  return Array.isArray(value) && value.every(isItem) ? value : undefined;
}

/** Reads a tally; undefined: the text is none, as where somebody stored it by hand. */
export function parseTally(text: string): Tally | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // not JSON
  }
  if (!isObject(value) || typeof value["by"] !== "string") return undefined;
  const leases = listOf(value["leases"], isLease);
  const waiting = listOf(value["waiting"], isWaiting);
  const takes = listOf(value["takes"], isTake);
  const epoch = value["epoch"];
  if (leases === undefined || waiting === undefined || takes === undefined) return undefined;
  if (epoch !== undefined && !isEpoch(epoch)) return undefined;
  return { by: value["by"], leases, waiting, takes, ...(epoch === undefined ? {} : { epoch }) };
}
