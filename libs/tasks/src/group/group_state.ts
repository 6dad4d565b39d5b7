// Tested by tests/src/worker/group_test.ts
import type { Broker } from "../broker/broker.ts";
import type { GroupClosing, GroupPolicy } from "../definition/group.ts";
import type { Json } from "../definition/json.ts";
import type { SpawnedTask } from "../definition/ledger.ts";
import type { TaskAddress } from "../format/subject.ts";
import { groupKey, groupSubjects, listLastTokens, readEntry } from "./keys.ts";

/** What a group is, as `group.<id>.spec` has it. */
export interface GroupSpec {
  readonly id: string;
  /** Number of children. */
  readonly total: number;
  /** Number of entries that list the children. */
  readonly chunks: number;
  readonly policy: GroupPolicy;
  /** RFC 3339. */
  readonly deadlineAt: string;
  /** RFC 3339. */
  readonly sealedAt: string;
  /** The id of the task that spawned the group. */
  readonly parent: string;
  /** The callback. */
  readonly then: SpawnedTask;
}

/** A child, as `group.<id>.list.<n>` has it. */
export interface ListedChild extends TaskAddress {
  readonly key: string;
  readonly taskId: string;
}

/** How a child can end. A dead letter may be requeued, and is not counted again. */
export type ChildOutcome = "done" | "dropped" | "dead" | "cancelled";

/** The end of a child, as `group.<id>.c.<i>` has it. */
export interface ChildEnd {
  readonly taskId: string;
  readonly outcome: ChildOutcome;
  readonly result: Json;
  readonly error: string | null;
}

/** The closing of a group, as `group.<id>.closed` has it. */
export interface GroupClosed {
  readonly why: GroupClosing;
  /** RFC 3339. */
  readonly at: string;
  /** The children that had ended by then, one bit each, base64; absent: all. */
  readonly ended?: string;
}

export async function readSpec(broker: Pick<Broker, "jsm" | "time">, group: string): Promise<GroupSpec | undefined> {
  return (await readEntry<GroupSpec>(broker, groupKey(group, "spec")))?.value;
}

export async function readClosed(
  broker: Pick<Broker, "jsm" | "time">,
  group: string,
): Promise<GroupClosed | undefined> {
  return (await readEntry<GroupClosed>(broker, groupKey(group, "closed")))?.value;
}

export async function readChildEnd(
  broker: Pick<Broker, "jsm" | "time">,
  group: string,
  index: number,
): Promise<ChildEnd | undefined> {
  return (await readEntry<ChildEnd>(broker, groupKey(group, "c", index)))?.value;
}

/** All children, in the order of the list. Throws when the broker does not answer, and where a part of the list is gone. */
export async function readChildren(
  broker: Pick<Broker, "jsm" | "time">,
  { id, chunks }: Pick<GroupSpec, "id" | "chunks">,
): Promise<readonly ListedChild[]> {
  const parts = Array.from({ length: chunks }, async (_, number) => {
    const entry = await readEntry<readonly ListedChild[]>(broker, groupKey(id, "list", number));
    if (entry === undefined) throw new Error(`Cannot list the children of group ${id}: part ${number} is gone`);
    return entry.value;
  });
  return (await Promise.all(parts)).flat();
}

/** The numbers of the children that have ended. */
export async function listEnded(
  broker: Pick<Broker, "jsm">,
  { id, total }: Pick<GroupSpec, "id" | "total">,
): Promise<ReadonlySet<number>> {
  const numbers = (await listLastTokens(broker, groupSubjects(id, "c"))).map(Number);
  return new Set(numbers.filter((number) => Number.isInteger(number) && number >= 0 && number < total));
}

/** The numbers of the children whose end was no `done`. */
export async function listFailed(broker: Pick<Broker, "jsm">, group: string): Promise<ReadonlySet<number>> {
  return new Set((await listLastTokens(broker, groupSubjects(group, "f"))).map(Number));
}

/** A set of numbers below `total` as bits in base64. */
export function printBits(numbers: ReadonlySet<number>, total: number): string {
  const bytes = new Uint8Array(Math.ceil(total / 8));
  for (const number of numbers) bytes[number >> 3] = (bytes[number >> 3] ?? 0) | (1 << (number & 7));
  return Buffer.from(bytes).toString("base64");
}

/** Reads what {@linkcode printBits} has printed. */
export function parseBits(text: string): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const [at, byte] of Buffer.from(text, "base64").entries()) {
    for (let bit = 0; bit < 8; bit++) if ((byte & (1 << bit)) !== 0) numbers.add(8 * at + bit);
  }
  return numbers;
}
