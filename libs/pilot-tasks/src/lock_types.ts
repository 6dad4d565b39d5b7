import { defineLockType } from "@muster/tasks";

/**
 * One submission at a time to each CE, for all VOs together, so that the active pilots can be counted. The key is the
 * CE's name.
 */
export const myPilotLock = defineLockType("my_pilot");
