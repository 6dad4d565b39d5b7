// Tested by apps/dashboard/src/serve/serve_test.ts
import { ago, count, counted, voText } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { actionButton, cancelHint, link, pageHead, table, tag } from "../markup/parts.ts";
import type { QueueData } from "../read/shapes.ts";
import type { Page } from "./page.ts";

/** Rows that are shown. */
const SHOWN = 200;

function targetText({ task, vo }: QueueData["pauses"][number]): string {
  if (task === null) return `all tasks of ${vo ?? ""}`;
  return vo === null ? task : `${task} of ${voText(vo)}`;
}

/** The fields that name a pause's target. */
function fieldsOf(task: string | null, vo: string | null): Record<string, string> {
  return { ...(task === null ? {} : { task }), ...(vo === null ? {} : { vo }) };
}

function pausesTable({ pauses }: QueueData): Markup {
  if (pauses.length === 0) return html``;
  return table({
    caption: "Paused",
    captionShown: "shown",
    columns: [
      { title: "What" },
      { title: "Since" },
      { title: "By" },
      { title: "Why" },
      { title: "Actions", kind: "act" },
    ],
    rows: pauses.map((pause) => {
      const { task, vo, pausedAt, by, reason } = pause;
      const what = targetText(pause);
      return {
        key: what,
        cells: [
          what,
          ago(pausedAt),
          by,
          reason,
          actionButton({ action: "queue.resume", text: "Resume", label: `Resume ${what}`, fields: fieldsOf(task, vo) }),
        ],
      };
    }),
    empty: { title: "Nothing is paused", text: "" },
  });
}

function queuesTable({ queues }: QueueData): Markup {
  const sorted = [...queues].sort((a, b) => b.waiting + b.delayed - a.waiting - a.delayed);
  return table({
    caption: "What waits",
    columns: [
      { title: "Task", kind: "bare" },
      { title: "VO" },
      { title: "State" },
      { title: "Waiting", kind: "number" },
      { title: "With workers", kind: "number" },
      { title: "Delayed", kind: "number" },
      { title: "Oldest" },
      { title: "Ended a minute", kind: "number" },
      { title: "Actions", kind: "act" },
    ],
    rows: sorted
      .slice(0, SHOWN)
      .map(({ task, vo, waiting, inHand, delayed, oldestAt, endedPerMinute, priority, paused }) => ({
        key: `${task} ${vo}`,
        cells: [
          html`<a href="${link("/tasks", { task, vo })}">${task}</a><br><span class="small quiet">${priority}</span>`,
          voText(vo),
          paused ? tag("paused", "warn") : tag("open"),
          count(waiting),
          count(inHand),
          count(delayed),
          oldestAt === null ? "" : html`<span class="nowrap">${ago(oldestAt)}</span>`,
          endedPerMinute === null ? "" : count(endedPerMinute),
          paused
            ? ""
            : actionButton({
                ...{
                  action: "queue.pause",
                  text: "Pause",
                  label: `Pause ${task} of ${voText(vo)}`,
                  fields: { task, vo },
                },
                question: `Let no worker take ${task} of ${voText(vo)}? What runs goes on.`,
              }),
        ],
      })),
    empty: {
      title: "Nothing waits",
      text: html`Tasks stand here while they wait for a worker, for their time or for a retry, and while they run. Publish one: <code>muster task publish MyPilotReportTask</code>`,
    },
  });
}

/** What waits of each task and VO, and what is paused. */
export const queuePage: Page = {
  path: "/queue",
  nav: "/queue",
  everyMs: 2_000,
  async make(reads) {
    const data = await reads.queue();
    const waiting = data.queues.reduce((sum, each) => sum + each.waiting, 0);
    const more =
      data.queues.length > SHOWN &&
      html`<p class="quiet">${counted(data.queues.length - SHOWN, "more queue")} with less work are not shown; <code>muster queue list</code> has all.</p>`;
    return {
      title: "Queue",
      main: html`${pageHead("Queue", html`<p class="quiet">${counted(waiting, "task")} wait${waiting === 1 && "s"}</p>`)}<div class="stack">${pausesTable(data)}${queuesTable(data)}${more}${data.queues.length > 0 && html`<p class="quiet small">A queue's tasks stand behind its name, each to be cancelled by itself.</p>${cancelHint(undefined)}`}</div>`,
    };
  },
};
