import { checkTaskName, checkVoName, InvalidNameError, NO_VO } from "../format/names.ts";

/** Whose tasks are paused: those of one task, of one VO, or of one task for one VO. */
export type QueueTarget =
  | { readonly task: string; readonly vo?: undefined }
  | { readonly task?: undefined; readonly vo: string }
  | { readonly task: string; readonly vo: string };

const TASK = "task.";
const VO = "vo.";
const LANE = "lane.";

function checkVo(vo: string): string {
  return vo === NO_VO ? vo : checkVoName(vo);
}

/** The keys, after `queue.`, of the three pauses that hold a task for a VO. Both names are valid. */
export function keysHolding(task: string, vo: string): readonly [ofTask: string, ofVo: string, ofBoth: string] {
  return [TASK + task, VO + vo, `${LANE}${task}.${vo}`];
}

/** The target's key after `queue.` in the bucket `schedules`. Throws `InvalidNameError`. */
export function keyOfTarget({ task, vo }: QueueTarget): string {
  if (task === undefined) return VO + checkVo(vo);
  checkTaskName(task);
  return vo === undefined ? TASK + task : `${LANE}${task}.${checkVo(vo)}`;
}

function readKey(key: string): QueueTarget | undefined {
  if (key.startsWith(TASK)) return { task: key.slice(TASK.length) };
  if (key.startsWith(VO)) return { vo: key.slice(VO.length) };
  const [, task, vo] = /^lane\.([^.]*)\.(.*)$/.exec(key) ?? [];
  return task === undefined || vo === undefined ? undefined : { task, vo };
}

/** Reads a key after `queue.`; undefined: it names no target. Anybody may have stored it. */
export function targetOfKey(key: string): QueueTarget | undefined {
  const target = readKey(key);
  try {
    return target !== undefined && keyOfTarget(target) === key ? target : undefined;
  } catch (error) {
    if (error instanceof InvalidNameError) return undefined;
    throw error;
  }
}
