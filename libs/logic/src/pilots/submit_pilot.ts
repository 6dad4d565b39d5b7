import { sql } from "kysely";
import { asStored } from "../ces/names.ts";
import type { Transaction } from "@muster/ledger";
import type { PilotDb } from "../entities/all.ts";
import type { Random } from "./random.ts";

/** The pilot to submit. */
export interface PilotOrder {
  readonly ceName: string;
  readonly vo: string;
  /** The task that submits. The database refuses a second pilot of the same task. */
  readonly taskId: string;
  /** Decides, by the CE's success rate, whether the CE takes the pilot. */
  readonly random: Random;
}

/** The results of a submission that are no failure. */
export type Submission =
  | { readonly kind: "submitted"; readonly pilotId: number }
  /** The CE had no free slot. */
  | { readonly kind: "full"; readonly active: number; readonly capacity: number };

/** The CE did not take the pilot. Nothing was written. */
export class PilotSubmissionError extends Error {
  override readonly name = "PilotSubmissionError";
  readonly ceName: string;
  readonly vo: string;
  constructor(ceName: string, vo: string) {
    super(`Cannot submit a pilot of ${vo} to ${ceName}: the CE did not take it; its slot is free for the next round`);
    this.ceName = ceName;
    this.vo = vo;
  }
}

const REASONS = {
  unknown: "there is no such CE; it was removed, or its name is wrong",
  disabled: "the CE is disabled; enable it, or choose another",
  "not for this VO": "the CE is limited to other VOs; let this one in, or choose another",
} as const;

/** The CE is closed now, or closed to this VO. Nothing was written. */
export class CeClosedError extends Error {
  override readonly name = "CeClosedError";
  readonly ceName: string;
  readonly vo: string;
  readonly reason: keyof typeof REASONS;
  constructor(ceName: string, vo: string, reason: keyof typeof REASONS) {
    super(`Cannot submit a pilot of ${vo} to ${ceName}: ${REASONS[reason]}`);
    this.ceName = ceName;
    this.vo = vo;
    this.reason = reason;
  }
}

interface LockedCe {
  readonly capacity: number;
  readonly successRate: number;
  readonly enabled: boolean;
  readonly vos: readonly string[] | null;
  readonly active: number;
}

/**
 * Reads the CE's row with the count of its active pilots, and locks the row against changes until the transaction ends.
 *
 * An operator's change waits for this transaction, or this one waits for the change and sees it. The row lock does not
 * keep out other submissions. The fence does, since it is raised before this statement. So the count misses no pilot.
 */
async function lockCe(transaction: Transaction, ceName: string): Promise<LockedCe | undefined> {
  const { rows } = await sql<LockedCe>`
    select ce.capacity, ce.success_rate as "successRate", ce.enabled, ce.vos,
      (select count(*) from pilot where ce_name = ce.name and status in ('SUBMITTED', 'RUNNING')) as active
    from compute_element ce
    where ce.name = ${ceName}
    for share of ce`.execute(transaction.getKysely());
  return rows[0];
}

/**
 * Submits one pilot of one VO to one CE, if it has a free slot. Two statements.
 *
 * The transaction must be fenced by the lock of this CE. Throws {@linkcode CeClosedError} and
 * {@linkcode PilotSubmissionError}.
 */
export async function submitPilot(transaction: Transaction, order: PilotOrder): Promise<Submission> {
  const { vo, taskId, random } = order;
  const ceName = asStored(order.ceName);
  const ce = await lockCe(transaction, ceName);
  if (ce === undefined) throw new CeClosedError(ceName, vo, "unknown");
  if (!ce.enabled) throw new CeClosedError(ceName, vo, "disabled");
  if (ce.vos !== null && !ce.vos.includes(vo)) throw new CeClosedError(ceName, vo, "not for this VO");
  const { active, capacity } = ce;
  if (active >= capacity) return { kind: "full", active, capacity };
  if (random() >= ce.successRate) throw new PilotSubmissionError(ceName, vo);
  const { id } = await transaction
    .getKysely<PilotDb>()
    .insertInto("pilot")
    .values({ ce_name: ceName, vo, task_id: taskId, active_before: active, capacity_read: capacity })
    .returning("id")
    .executeTakeFirstOrThrow();
  return { kind: "submitted", pilotId: id };
}
