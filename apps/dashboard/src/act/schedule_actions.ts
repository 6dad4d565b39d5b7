// Tested by apps/dashboard/src/act/act_test.ts
import { type AnyTask, NO_VO } from "@muster/tasks";
import {
  changeConfiguration,
  type Configuration,
  instanceProblems,
  pauseSchedule,
  readConfiguration,
  resumeSchedule,
  triggerSchedule,
  withInstance,
  withoutInstance,
  withSchedule,
  withScheduleSwitched,
} from "@muster/tasks/operate";
import * as z from "zod";
import { type Acting, type Action, action, RefusedError } from "./action.ts";
import { optional, text } from "./fields.ts";

const Which = z.object({ task: text, vo: optional, instance: optional.transform((given) => given ?? "default") });
type Which = z.output<typeof Which>;

function nameOf({ task, vo, instance }: Which): string {
  const which = instance === "default" ? "" : `, instance ${instance}`;
  return `${task}${vo === undefined || vo === NO_VO ? "" : ` of ${vo}`}${which}`;
}

function taskNamed({ composition }: Pick<Acting, "composition">, name: string): AnyTask {
  const task = composition.tasks.find((each) => each.name === name);
  if (task === undefined)
    throw new RefusedError(`This dashboard does not know task ${name}: its extensions bring no such task`);
  return task;
}

/** How a change is made for a task's own schedule and for an instance. */
interface Change {
  ofTask(now: Configuration, target: { readonly task: string; readonly vo: string | undefined }): Configuration;
  ofInstance(now: Configuration, target: { readonly task: string; readonly instance: string }): Configuration;
}

async function change(
  { broker }: Acting,
  { task, vo, instance }: Which,
  { ofTask, ofInstance }: Change,
): Promise<void> {
  const ofVo = vo === NO_VO ? undefined : vo;
  await changeConfiguration(broker, (now) => {
    if (ofVo !== undefined && now.vos[ofVo]?.state !== "active")
      throw new RefusedError(`VO ${ofVo} is not configured; add it first, or choose all VOs`);
    return instance === "default" ? ofTask(now, { task, vo: ofVo }) : ofInstance(now, { task, instance });
  });
}

const SWITCHES = [
  ["schedule.enable", "on", "Switched on"],
  ["schedule.disable", "off", "Switched off"],
] as const;

/** Pause, resume, trigger and change schedules. */
export const SCHEDULE_ACTIONS: readonly Action[] = [
  action("schedule.pause", Which.extend({ reason: optional }), async ({ broker, who }, { reason, ...which }) => {
    const { task, vo = NO_VO, instance } = which;
    await pauseSchedule(broker, { task, vo, instance }, { by: who, ...(reason === undefined ? {} : { reason }) });
    return { said: `Paused ${nameOf(which)}.`, target: nameOf(which), detail: { reason } };
  }),
  action("schedule.resume", Which, async ({ broker }, which) => {
    const { task, vo = NO_VO, instance } = which;
    // The pause may be of this schedule, or of the whole task.
    const isResumed =
      (await resumeSchedule(broker, { task, vo, instance })) || (await resumeSchedule(broker, { task }));
    if (!isResumed) throw new RefusedError(`${nameOf(which)} is not paused`);
    return { said: `Resumed ${nameOf(which)}.`, target: nameOf(which) };
  }),
  action("schedule.trigger", Which, async (acting, which) => {
    const { broker } = acting;
    const { vo, instance } = which;
    const task = taskNamed(acting, which.task);
    const configuration = await readConfiguration(broker);
    const { taskId, waiting } = await triggerSchedule(broker, { task, configuration, vo, instance });
    const before = waiting === 0 ? "" : ` ${waiting} of this task wait or run before it.`;
    return { said: `Triggered ${nameOf(which)} as ${taskId}.${before}`, target: nameOf(which), detail: { taskId } };
  }),
  action("schedule.set", Which.extend({ schedule: text }), async (acting, { schedule, ...which }) => {
    const task = taskNamed(acting, which.task);
    const [problem] = which.instance === "default" ? instanceProblems(task, { schedule }) : [];
    if (problem !== undefined) throw new RefusedError(problem.message);
    await change(acting, which, {
      ofTask: (now, target) => withSchedule(now, target, schedule),
      ofInstance: (now, target) => withInstance(now, target, { schedule }),
    });
    return { said: `${nameOf(which)}: ${schedule}.`, target: nameOf(which), detail: { schedule }, to: "/schedules" };
  }),
  action("schedule.reset", Which, async (acting, which) => {
    await change(acting, which, {
      ofTask: (now, target) => withSchedule(now, target, undefined),
      ofInstance: withoutInstance,
    });
    return { said: `${nameOf(which)} is as its definition says.`, target: nameOf(which), to: "/schedules" };
  }),
  ...SWITCHES.map(([name, to, said]) =>
    action(name, Which, async (acting, which) => {
      await change(acting, which, {
        ofTask: (now, target) => withScheduleSwitched(now, target, to),
        ofInstance: (now, target) => withInstance(now, target, { enabled: to === "on" }),
      });
      return { said: `${said} ${nameOf(which)}.`, target: nameOf(which), to: "/schedules" };
    }),
  ),
];
