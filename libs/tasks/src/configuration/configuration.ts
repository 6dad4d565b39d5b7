import { checkVoName } from "../format/names.ts";

/** Time for which the name of a removed VO is remembered, ms. Its waiting tasks are then dropped, and not taken for mistakes. */
export const TOMBSTONE_MS = 30 * 86_400_000;

/** Differences from a task's definition. */
export interface ScheduleSettings {
  /** False: switched off, no occurrence is published. Default true. */
  readonly enabled?: boolean | undefined;
  /** In place of the definition's schedule: `every 5s`, or `cron 0 * * * * Europe/Zurich`. */
  readonly schedule?: string | undefined;
}

export interface TaskSettings extends ScheduleSettings {
  /** Differences for some VOs. */
  readonly vos?: Readonly<Record<string, ScheduleSettings>> | undefined;
}

export interface VoSettings {
  readonly state: "active" | "removed";
  /** When the state was last changed, RFC 3339. */
  readonly changedAt: string;
  /** Share of the turns among VOs of one priority, default 1. */
  readonly weight?: number | undefined;
}

/** The live configuration of the whole grid. Fields that only a newer version knows are kept. */
export interface Configuration {
  readonly vos: Readonly<Record<string, VoSettings>>;
  readonly tasks: Readonly<Record<string, TaskSettings>>;
  /**
   * When the first configuration was written, by the broker's clock, RFC 3339. Older waiting tasks were published under one that is lost.
   */
  readonly createdAt?: string | undefined;
}

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
