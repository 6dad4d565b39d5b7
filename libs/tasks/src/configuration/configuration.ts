import type * as z from "zod";
import { checkVoName } from "../format/names.ts";
import type { StoredDocument } from "./document.ts";
import type { Immutable } from "./fields.ts";

/** Time for which the name of a removed VO is remembered, ms. Its waiting tasks are then dropped, and not taken for mistakes. */
export const TOMBSTONE_MS = 30 * 86_400_000;

/** The live configuration of the whole grid. Fields that only a newer version knows are kept. */
export type Configuration = Immutable<z.output<typeof StoredDocument>>;

/** What is configured of one VO. */
/** What is stored of a VO. */
export type VoSettings = Configuration["vos"][string];

/** Differences from a task's definition. */
export type TaskSettings = Configuration["tasks"][string];

/** Whether it names any VO, active or removed. Once there was one, one always stays, since removed ones are remembered. */
export function namesVos({ vos }: Configuration): boolean {
  return Object.keys(vos).length > 0;
}

/** The configuration with `vo` added, or made active again. Throws `InvalidNameError`. */
export function withVo(now: Configuration, vo: string, weight?: number): Configuration {
  checkVoName(vo);
  const settings: VoSettings = {
    state: "active",
    changedAt: new Date().toISOString(),
    ...(weight === undefined ? {} : { weight }),
  };
  return { ...now, vos: { ...now.vos, [vo]: settings } };
}

/** The configuration with `vo` as a tombstone, and without tombstones older than 30 days. */
export function withoutVo(now: Configuration, vo: string): Configuration {
  const kept = Object.entries(now.vos).filter(
    ([, { state, changedAt }]) => state === "active" || Date.parse(changedAt) > Date.now() - TOMBSTONE_MS,
  );
  const vos = Object.fromEntries(kept);
  if (vos[vo] !== undefined) vos[vo] = { ...vos[vo], state: "removed", changedAt: new Date().toISOString() };
  return { ...now, vos };
}

/** The names of the VOs that take part now. */
export function activeVos(configuration: Configuration): readonly string[] {
  return Object.keys(configuration.vos).filter((vo) => configuration.vos[vo]?.state === "active");
}
