import { checkVoName } from "../format/names.ts";

/** How long the name of a removed VO is remembered, so that its waiting tasks are dropped and not taken for mistakes. */
export const TOMBSTONE_MS = 30 * 86_400_000;

/** What differs from a task's definition. */
export interface ScheduleSettings {
  /** Switched off: no occurrence is published. Default true. */
  readonly enabled?: boolean | undefined;
  /** In place of the definition's schedule: `every 5s`, or `cron 0 * * * * Europe/Zurich`. */
  readonly schedule?: string | undefined;
}

export interface TaskSettings extends ScheduleSettings {
  /** What differs for some VOs. */
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
  /** When the first one was written, by the broker's clock, RFC 3339. What waits from before it was published for a configuration that is lost. */
  readonly createdAt?: string | undefined;
}

/** Whether it names any VO, active or removed. Once there was one, there is always one left, since a removed one is remembered. */
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

/** The configuration with `vo` as a tombstone; older tombstones than 30 days go. */
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
