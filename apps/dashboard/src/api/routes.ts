// Tested by apps/dashboard/src/serve/serve_test.ts
import * as z from "zod";
import { AGE } from "../read/dead_choice.ts";
import * as shapes from "../read/shapes.ts";
import { route, type Route } from "./route.ts";

const text = (description: string) => z.string().max(1_024).optional().meta({ description });
const place = (description: string) => z.coerce.number().int().min(0).optional().meta({ description });
const nothing = z.object({});
const task = text("only of this task");
const vo = text("only of this VO; _ for tasks that are not per VO");
const before = place("only what is older: the `next` of the page before");

/** All addresses of the read API. */
export const ROUTES: readonly Route[] = [
  route({
    ...{ path: "/api/overview", summary: "Live figures, the last half hour, and what needs attention" },
    ...{ parameters: nothing, response: shapes.Overview, read: (reads) => reads.overview() },
  }),
  route({
    ...{ path: "/api/ces", summary: "CEs with their active pilots and the holder of their lock" },
    ...{ parameters: nothing, response: shapes.Ces, read: (reads) => reads.ces() },
  }),
  route({
    ...{ path: "/api/queue", summary: "What waits of each task and VO, and what is paused" },
    ...{ parameters: nothing, response: shapes.Queue, read: (reads) => reads.queue() },
  }),
  route({
    ...{ path: "/api/waiting", summary: "The waiting and running tasks themselves, oldest first, a page at a time" },
    parameters: z.object({ task, vo, after: place("only what is newer: the `next` of the page before") }),
    response: shapes.WaitingPage,
    read: (reads, parameters) => reads.waiting(parameters),
  }),
  route({
    ...{ path: "/api/events", summary: "The newest events that were told, newest first" },
    parameters: z.object({
      ...{ task, vo, step: text("only of this step, as done") },
      limit: z.coerce.number().int().min(1).max(500).default(100).meta({ description: "greatest number" }),
    }),
    response: shapes.Events,
    read: (reads, parameters) => reads.events(parameters),
  }),
  route({
    ...{ path: "/api/tasks/{id}", summary: "All that is known of one task" },
    parameters: z.object({ id: z.string().meta({ description: "its id, percent-encoded" }) }),
    response: shapes.Task,
    read: (reads, { id }) => reads.task(id),
  }),
  route({
    ...{ path: "/api/groups", summary: "Groups that are open, or whose callback ended within a day" },
    ...{ parameters: nothing, response: shapes.Groups, read: (reads) => reads.groups(undefined) },
  }),
  route({
    ...{ path: "/api/groups/{id}", summary: "One group with its children that are not done" },
    parameters: z.object({ id: z.string().meta({ description: "its id, percent-encoded" }) }),
    response: shapes.GroupDetails,
    read: (reads, { id }) => reads.group(id),
  }),
  route({
    ...{ path: "/api/schedules", summary: "Schedules in force, with their last and next time" },
    ...{ parameters: nothing, response: shapes.Schedules, read: (reads) => reads.schedules(undefined) },
  }),
  route({
    ...{ path: "/api/dead", summary: "Dead letters, newest first, a page at a time" },
    parameters: z.object({
      ...{ task, vo, reason: text("a part of the reason"), before },
      age: z
        .string()
        .regex(AGE)
        .optional()
        .meta({ description: "how long ago: <2h within the last two hours, >1d more than a day ago" }),
    }),
    response: shapes.DeadPage,
    read: (reads, parameters) => reads.dead(parameters),
  }),
  route({
    ...{ path: "/api/dead/{sequence}", summary: "One dead letter with its payload" },
    parameters: z.object({ sequence: z.coerce.number().int().min(1).meta({ description: "its place in DEAD" }) }),
    response: shapes.DeadDetails,
    read: (reads, { sequence }) => reads.letter(sequence),
  }),
  route({
    ...{ path: "/api/locks", summary: "Locks that are held, limiters in use, and how many tasks wait for them" },
    ...{ parameters: nothing, response: shapes.Locks, read: (reads) => reads.locks() },
  }),
  route({
    ...{ path: "/api/workers", summary: "Workers that run" },
    ...{ parameters: nothing, response: shapes.Workers, read: (reads) => reads.workers() },
  }),
  route({
    ...{ path: "/api/configuration", summary: "The configuration in force, as a file" },
    ...{ parameters: nothing, response: shapes.Configuration, read: (reads) => reads.configuration(undefined) },
  }),
  route({
    ...{ path: "/api/audit", summary: "Who did what, newest first, a page at a time" },
    parameters: z.object({
      ...{ action: text("an action, or its first words"), who: text("who did it"), before },
      target: text("a part of what it was done to"),
    }),
    response: shapes.Audit,
    read: (reads, parameters) => reads.audit(parameters),
  }),
];
