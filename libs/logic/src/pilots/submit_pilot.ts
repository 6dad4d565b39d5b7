import type { Transaction } from "@muster/ledger";
import { CompiledQuery } from "kysely";
import { asStored } from "../ces/names.ts";
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

/** What a submission has found and done, in one row. There is none where there is no such CE. */
interface Submitted {
  readonly capacity: number;
  readonly enabled: boolean;
  /** Whether the CE lets the VO in. */
  readonly admits: boolean;
  readonly active: number;
  /** Null where nothing was written. */
  readonly pilotId: number | null;
}

/**
 * Reads the CE's row with the count of its active pilots, locks the row against changes until the transaction ends, and writes the pilot
 * where the CE takes it.
 *
 * An operator's change waits for this transaction, or this one waits for the change and sees it. The row lock does not
 * keep out other submissions. The fence does, since it is raised before this statement. So the count misses no pilot.
 *
 * The values: CE, VO, task, and a number from 0 to 1 that the success rate must exceed.
 */
export const SUBMIT_PILOT = `
  with ce as materialized (
    select ce.name, ce.capacity, ce.success_rate, ce.enabled, ce.vos is null or $2::text = any(ce.vos) as admits,
      (select count(*)::int from pilot where ce_name = ce.name and status in ('SUBMITTED', 'RUNNING')) as active
    from compute_element ce
    where ce.name = $1::text
    for share of ce
  ), submitted as (
    insert into pilot (ce_name, vo, task_id, active_before, capacity_read)
    select name, $2::text, $3::text, active, capacity from ce
    where enabled and admits and active < capacity and $4::double precision < success_rate
    returning id
  )
  select ce.capacity, ce.enabled, ce.admits, ce.active, submitted.id as "pilotId"
  from ce left join submitted on true`;

/**
 * Submits one pilot of one VO to one CE, if it has a free slot. One statement.
 *
 * The transaction must be fenced by the lock of this CE. Throws {@linkcode CeClosedError} and
 * {@linkcode PilotSubmissionError}.
 */
export async function submitPilot(transaction: Transaction, order: PilotOrder): Promise<Submission> {
  const { vo, taskId, random } = order;
  const ceName = asStored(order.ceName);
  const statement = CompiledQuery.raw(SUBMIT_PILOT, [ceName, vo, taskId, random()]) as CompiledQuery<Submitted>;
  const [ce] = (await transaction.getKysely().executeQuery(statement)).rows;
  if (ce === undefined) throw new CeClosedError(ceName, vo, "unknown");
  const { active, capacity, pilotId } = ce;
  if (pilotId !== null) return { kind: "submitted", pilotId };
  if (!ce.enabled) throw new CeClosedError(ceName, vo, "disabled");
  if (!ce.admits) throw new CeClosedError(ceName, vo, "not for this VO");
  if (active >= capacity) return { kind: "full", active, capacity };
  throw new PilotSubmissionError(ceName, vo);
}
