import type { Json } from "../definition/json.ts";
import type { LedgerOutcome } from "../definition/ledger.ts";
import { describeLength, KEPT_MAX_MS, KEPT_MIN_MS } from "../definition/keep_result.ts";
import type { Broker } from "../broker/broker.ts";
import { parseTtl, readTimed } from "../broker/timed_entry.ts";
import { boundId } from "../format/delivery.ts";
import { headerOf, TASK_KEEP_RESULT } from "../format/headers.ts";
import { InvalidNameError } from "../format/names.ts";
import { escapeToken } from "../format/token.ts";
import type { MsgHdrs } from "@nats-io/nats-core";

/** How a task ended, as its kept result tells. `refused`: its message never was a task. */
export type EndOutcome = Exclude<LedgerOutcome, "retry"> | "refused";

/** What the bucket `results` keeps of a task that has ended, where somebody asked for it. This is wire format. */
export interface KeptResult {
  readonly outcome: EndOutcome;
  /** What the task returned; null unless done. */
  readonly result: Json;
  /** The newest error, one line; null where there is none. */
  readonly error: string | null;
  readonly task: string;
  /** The VO's name, or `_`. */
  readonly vo: string;
  /** The attempt that ended so. */
  readonly attempt: number;
  /** RFC 3339, UTC, by the clock of the process that settled the task. */
  readonly endedAt: string;
  /** Id of the task that spawned this one; null: none did. */
  readonly parent: string | null;
  /** Number of the children that it spawned. */
  readonly children: number;
  /** The name of the message that was run, where no database knows the task. */
  readonly message?: string;
  /** SHA-256 of the payload, where no database knows the task. */
  readonly payloadHash?: string;
}

/** Key of a task's kept result in the bucket `results`. */
export function resultKey(taskId: string): string {
  return `result.${escapeToken(boundId(taskId))}`;
}

/** Reads a task's kept result from the leader; undefined: none is there, or it has lapsed. Throws when the broker does not answer. */
export async function readKeptResult(
  broker: Pick<Broker, "jsm" | "time">,
  taskId: string,
): Promise<KeptResult | undefined> {
  return parseKept((await readTimed(broker, "results", resultKey(taskId))).text);
}

/** The kept result in an entry's text; undefined where somebody else has written it. */
export function parseKept(text: string | undefined): KeptResult | undefined {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && "outcome" in value ? (value as KeptResult) : undefined;
  } catch {
    return undefined; // an entry that was put there by hand
  }
}

/**
 * How long a message asks to keep its task's result, ms; undefined: it does not ask. Throws `InvalidNameError` where the header states no
 * such time.
 */
export function keepResultOf(headers: MsgHdrs | undefined): number | undefined {
  const text = headerOf(headers, TASK_KEEP_RESULT);
  if (text === "") return undefined;
  const ms = parseTtl(text) ?? Number.NaN;
  if (ms >= KEPT_MIN_MS && ms <= KEPT_MAX_MS) return ms;
  const bounds = `${describeLength(KEPT_MIN_MS)} to ${describeLength(KEPT_MAX_MS)}`;
  throw new InvalidNameError({
    what: `header ${TASK_KEEP_RESULT}`,
    value: text,
    problem: `it is no time from ${bounds}`,
    rule: "leave it out, or write seconds, or a length such as 90s, 10m or 2h30m",
  });
}

/** Like {@linkcode keepResultOf}, for messages that may be wrong in many ways: a wrong header asks for nothing. */
export function keepResultIfGood(headers: MsgHdrs | undefined): number | undefined {
  try {
    return keepResultOf(headers);
  } catch {
    return undefined;
  }
}
