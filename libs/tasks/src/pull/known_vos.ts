import type { AnyTask } from "../definition/task.ts";
import { NO_VO } from "../format/names.ts";
import type { TaskSourceOptions } from "./task_source.ts";

/** The configuration is read anew for VOs that it does not name at most once in this time, ms. */
const REFRESH_MS = 1_000;

/** Whether tasks of a VO are to be run. One that is not configured may have been added a moment ago, so that asking looks anew for the next time. */
export type KnowsVo = (per: AnyTask["per"], vo: string) => boolean;

/** Knows VOs by the watched configuration. */
export function knownVos({ broker, configuration }: Pick<TaskSourceOptions, "broker" | "configuration">): KnowsVo {
  let refreshedAtMs = Number.NEGATIVE_INFINITY;

  function refresh(): void {
    const nowMs = performance.now();
    if (nowMs - refreshedAtMs < REFRESH_MS) return;
    refreshedAtMs = nowMs;
    configuration
      .refresh()
      .catch((cause: unknown) => broker.observer.note("Cannot refresh the configuration yet", { cause }));
  }

  return (per, vo) => {
    if (per === "all") return vo === NO_VO;
    if (configuration.current.vos[vo]?.state === "active") return true;
    if (vo !== NO_VO) refresh();
    return false;
  };
}
