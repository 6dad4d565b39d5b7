// Tested by libs/tasks/src/configuration/limit_settings_test.ts
import { parseRate, UNLIMITED } from "../definition/limit_text.ts";
import type { Limiter } from "../definition/lock_type.ts";
import { NO_VO } from "../format/names.ts";
import { escapeKey, unescapeToken } from "../format/token.ts";
import { type LimitSource, statedLimit } from "../locks/locks.ts";
import type { Limit } from "../tally/plan.ts";
import { limitName, OF_SETTINGS } from "../tally/tally.ts";
import type { Configuration } from "./configuration.ts";

/** Limits as the configuration has them. */
interface LimitSettings {
  readonly rate?: string | undefined;
  readonly concurrency?: number | typeof UNLIMITED | undefined;
}

/** The limits in force: those of the configuration, and else those that definitions state. */
export interface LimitsInForce extends LimitSource {
  /** The limiters that the configuration gives to a task, of its VO too. The usual task has none. */
  ofTask(task: string, vo: string): readonly Limiter[];
}

interface Followed {
  readonly current: Configuration;
  onChange(listener: (now: Configuration) => void): () => void;
}

const NONE: readonly Limiter[] = [];

/** The part of a configuration in which limits are, as text. */
function limitsText({ limits, tasks }: Configuration): string {
  const ofTasks = Object.entries(tasks).map(([task, { rate, concurrency, vos = {} }]) => [
    task,
    rate,
    concurrency,
    Object.entries(vos).map(([vo, of]) => [vo, of.rate, of.concurrency]),
  ]);
  return JSON.stringify([limits, ofTasks]);
}

/** The limiters of one name, e.g. `_task.MyPilotTask.lhcb`. No lock type begins with `_`, so nobody else has such a name. */
function limitersOf(name: string, { rate, concurrency }: LimitSettings): readonly Limiter[] {
  const limiters: Limiter[] = [];
  const parsed = rate === undefined ? undefined : parseRate(rate);
  if (parsed !== undefined) limiters.push({ kind: "rate", key: `_rate.${name}`, rate: parsed });
  if (typeof concurrency === "number") limiters.push({ kind: "concurrency", key: `_concurrency.${name}`, concurrency });
  return limiters;
}

function configured({ kind }: Limiter, settings: LimitSettings | undefined): { readonly limit: Limit } | undefined {
  if (settings === undefined) return undefined;
  if (kind === "rate") {
    if (settings.rate === undefined) return undefined;
    const rate = parseRate(settings.rate);
    return { limit: rate === undefined ? undefined : { rate } };
  }
  const { concurrency } = settings;
  if (concurrency === undefined) return undefined;
  return { limit: concurrency === UNLIMITED ? undefined : { concurrency } };
}

/** Follows the limits of the configuration. They are in force as soon as it is. */
export function limitsInForce(configuration: Followed): LimitsInForce {
  let ofTasks = new Map<string, readonly Limiter[]>();
  let text = limitsText(configuration.current);
  const listeners: (() => void)[] = [];
  configuration.onChange((now) => {
    const next = limitsText(now);
    if (next === text) return;
    text = next;
    ofTasks = new Map();
    for (const listener of listeners) listener();
  });

  function limitersOfTask(task: string, vo: string): readonly Limiter[] {
    const settings = configuration.current.tasks[task];
    if (settings === undefined) return NONE;
    const name = `${task}/${vo}`;
    const known = ofTasks.get(name);
    if (known !== undefined) return known;
    const ofVo = settings.vos?.[vo];
    const own = limitersOf(`${OF_SETTINGS}${task}`, settings);
    const voName = vo === NO_VO ? NO_VO : escapeKey(vo);
    const found = ofVo === undefined ? own : [...own, ...limitersOf(`${OF_SETTINGS}${task}.${voName}`, ofVo)];
    ofTasks.set(name, found);
    return found;
  }

  return {
    limitOf(limiter) {
      const { limits } = configuration.current;
      if (limits === undefined) return statedLimit(limiter);
      const name = limitName(limiter.key);
      const lockType = name.split(".", 1)[0] ?? "";
      // The configuration has keys as definitions have them. `muster lock list` shows them escaped, so that is taken as well.
      const ofKey = limits[unescapeToken(name)] ?? limits[name];
      const found = configured(limiter, ofKey) ?? configured(limiter, limits[lockType]);
      return found === undefined ? statedLimit(limiter) : found.limit;
    },
    ofTask: limitersOfTask,
    onChange: (listener) => void listeners.push(listener),
  };
}
