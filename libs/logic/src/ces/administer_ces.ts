// Tested by libs/logic/src/ces/ces_test.ts
import { sql } from "kysely";
import * as z from "zod";
import type { Transaction } from "@muster/ledger";
import type { PilotDb } from "../entities/all.ts";
import { asStored, CeName, VoName } from "./names.ts";

/** The values that each setting of a CE may have. */
export const ceSettings = {
  /**
   * Slots, for all VOs together. May be lowered below the active pilots. Those run on, and no new pilot starts until
   * there is room.
   */
  capacity: z.int().min(0).max(1_000_000),
  /** Share of pilots that end well, 0 to 1. */
  successRate: z.number().min(0).max(1),
  /** The VOs that may submit; null: all. With an empty list none may. */
  vos: z.array(VoName).nullable(),
};
const NewCe = z.strictObject({
  name: CeName,
  ...ceSettings,
  vos: ceSettings.vos.default(null),
  enabled: z.boolean().default(true),
});
const CeChange = z.strictObject(ceSettings).partial();

/** What {@linkcode addCe} takes. */
export type NewCe = z.input<typeof NewCe>;
/** What {@linkcode changeCe} takes. Settings that are left out stay. */
export type CeChange = z.input<typeof CeChange>;

/** There is a CE of this name already. */
export class CeExistsError extends Error {
  override readonly name = "CeExistsError";
  readonly ceName: string;
  constructor(ceName: string) {
    super(`Cannot add CE ${JSON.stringify(ceName)}: there is one of this name; change that one, or remove it first`);
    this.ceName = ceName;
  }
}

/** There is no CE of this name. */
export class UnknownCeError extends Error {
  override readonly name = "UnknownCeError";
  readonly ceName: string;
  constructor(ceName: string) {
    super(`Cannot find CE ${JSON.stringify(ceName)}: no CE has this name; list them to see their names`);
    this.ceName = ceName;
  }
}

/**
 * Adds a CE. Throws {@linkcode CeExistsError}, which leaves the transaction usable, and `ZodError` for a setting that
 * is not allowed.
 */
export async function addCe(transaction: Transaction, ce: NewCe): Promise<void> {
  const { name, capacity, successRate, enabled, vos } = NewCe.parse(ce);
  const added = await transaction
    .getKysely<PilotDb>()
    .insertInto("compute_element")
    .values({ name, capacity, success_rate: successRate, enabled, vos })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("name")
    .executeTakeFirst();
  if (added === undefined) throw new CeExistsError(name);
}

interface Columns {
  readonly capacity?: number | undefined;
  readonly successRate?: number | undefined;
  readonly vos?: string[] | null | undefined;
  readonly enabled?: boolean;
}

async function update(transaction: Transaction, ceName: string, change: Columns): Promise<void> {
  const name = asStored(ceName);
  const { successRate: success_rate, ...rest } = change;
  const changed = await transaction
    .getKysely<PilotDb>()
    .updateTable("compute_element")
    // Kysely leaves out undefined settings. The name is set so that a change of nothing is a statement too, and shows
    // whether the CE exists.
    .set({ name, success_rate, ...rest })
    .where("name", "=", name)
    .returning("name")
    .executeTakeFirst();
  if (changed === undefined) throw new UnknownCeError(ceName);
}

/**
 * Changes capacity, success rate or VOs. Waits for submissions that run; every submission after the commit sees the
 * change. Throws {@linkcode UnknownCeError}, and `ZodError` for a setting that is not allowed.
 */
export async function changeCe(transaction: Transaction, ceName: string, change: CeChange): Promise<void> {
  await update(transaction, ceName, CeChange.parse(change));
}

/** Lets new pilots in. Throws {@linkcode UnknownCeError}. */
export async function enableCe(transaction: Transaction, ceName: string): Promise<void> {
  await update(transaction, ceName, { enabled: true });
}

/** Lets no new pilot in from the commit on; the active ones run on. Throws {@linkcode UnknownCeError}. */
export async function disableCe(transaction: Transaction, ceName: string): Promise<void> {
  await update(transaction, ceName, { enabled: false });
}

/**
 * Removes a CE. Its pilots stay, as history. Active ones keep their status, since the CE can no longer say how they
 * end. Returns the number of active ones. Throws {@linkcode UnknownCeError}.
 */
export async function removeCe(transaction: Transaction, ceName: string): Promise<{ readonly activePilots: number }> {
  const { rows } = await sql<{ activePilots: number }>`
    delete from compute_element where name = ${asStored(ceName)}
    returning (
      select count(*) from pilot where ce_name = compute_element.name and status in ('SUBMITTED', 'RUNNING')
    ) as "activePilots"`.execute(transaction.getKysely());
  const removed = rows[0];
  if (removed === undefined) throw new UnknownCeError(ceName);
  return removed;
}
