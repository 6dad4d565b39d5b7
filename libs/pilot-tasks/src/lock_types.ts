import { defineLockType } from "@muster/tasks";

/** One submission at a time to each CE, whatever its VO, so that the active pilots can be counted. The key is the CE's name. */
export const myPilotLock = defineLockType("my_pilot");

/** One run at a time of a periodic task. The key is the task's name, and its VO where it has one. */
export const periodicLock = defineLockType("periodic");
