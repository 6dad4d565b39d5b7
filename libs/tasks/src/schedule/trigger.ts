// Tested by tests/src/cli/schedules_test.ts
import { randomUUID } from "node:crypto";
import type { Broker } from "../broker/broker.ts";
import type { Configuration } from "../configuration/configuration.ts";
import type { JsonObject } from "../definition/json.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import type { AnyTask } from "../definition/task.ts";
import { DEFAULT_INSTANCE } from "../due/instances.ts";
import { planSchedules } from "../due/planned_schedule.ts";
import { boundId } from "../format/delivery.ts";
import { NO_VO } from "../format/names.ts";
import { taskSubject } from "../format/subject.ts";
import { storeThroughHooks } from "../publish/publish_hooks.ts";
import { storeOne } from "../publish/store.ts";
import { TASKS } from "../streams/streams.ts";

/** Of which instance, and under which id. */
export interface TriggerOptions {
  readonly task: AnyTask;
  readonly configuration: Configuration;
  /** Required by a task that is per VO. */
  readonly vo?: string | undefined;
  /** Default: the task's own schedule. */
  readonly instance?: string | undefined;
  /** Runs around the publish, the first outermost. Default: none. */
  readonly middleware?: readonly Middleware[];
}

/** What was triggered. */
export interface Triggered {
  readonly taskId: string;
  /** Number of tasks of this name and VO that waited or ran before it. */
  readonly waiting: number;
}

/** The task has no such schedule. */
export class UnknownInstanceError extends Error {
  override readonly name = "UnknownInstanceError";
  readonly instances: readonly string[];
  constructor(what: string, instance: string, instances: readonly string[]) {
    const known = instances.length === 0 ? "there is none" : `there are ${instances.join(", ")}`;
    super(`${what} has no schedule instance ${JSON.stringify(instance)}; ${known}`);
    this.instances = instances;
  }
}

/**
 * Publishes a task as one of its schedules would, now and under an id of its own. The schedule goes on as before, and the task runs also where
 * the schedule is paused or switched off.
 *
 * Throws {@linkcode UnknownInstanceError}, and what publishing throws.
 */
export async function triggerSchedule(broker: Broker, options: TriggerOptions): Promise<Triggered> {
  const { task, configuration, vo = NO_VO, instance = DEFAULT_INSTANCE } = options;
  const plan = planSchedules({ tasks: [task], configuration, before: new Map() }, () => {});
  const planned = plan.get(`${task.name}/${vo}/${instance}`);
  if (planned === undefined) {
    const known = [...plan.values()].filter((each) => each.vo === vo).map((each) => each.instance);
    throw new UnknownInstanceError(vo === NO_VO ? task.name : `${task.name} of ${vo}`, instance, known);
  }
  const { state } = await broker.jsm.streams.info(TASKS, { subjects_filter: taskSubject({ task: task.name, vo }) });
  const waiting = Object.values(state.subjects ?? {}).reduce((sum, count) => sum + count, 0);
  const triggered = {
    taskId: boundId(`${planned.key}/trigger-${randomUUID()}`),
    task: task.name,
    vo,
    payload: JSON.parse(planned.body) as JsonObject,
    ...(planned.payloadVersion === 1 ? {} : { payloadVersion: planned.payloadVersion }),
  };
  const { publish: around } = joinMiddleware(options.middleware);
  const { taskId } = await storeThroughHooks(around, triggered, (seen) => storeOne(broker, seen));
  return { taskId, waiting };
}
