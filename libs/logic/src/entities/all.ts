import { ComputeElement } from "./compute_element.ts";
import { LockFence } from "./lock_fence.ts";
import { Pilot } from "./pilot.ts";
import { PilotRequest } from "./pilot_request.ts";
import { TaskOutcome } from "./task_outcome.ts";

/** Every table of Muster. */
export const entities = [ComputeElement, Pilot, PilotRequest, TaskOutcome, LockFence] as const;
