import { NO_VO } from "../format/names.ts";
import { defineLockType, type Lock } from "./lock_type.ts";

/** The lock type of periodic tasks. Its name is in keys, so it never changes. */
const periodicLock = defineLockType("periodic");

/** The mutex that runs of a periodic task hold by default: `periodic.<Task>`, or `periodic.<Task>.<vo>` for a task that is per VO. */
export function ownMutexOf(task: string, vo: string): Lock {
  return periodicLock.mutex(vo === NO_VO ? task : `${task}.${vo}`);
}
