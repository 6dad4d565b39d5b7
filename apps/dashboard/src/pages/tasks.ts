// Tested by apps/dashboard/src/serve/serve_test.ts
import { ago, bytes, cut, duration, voText } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { actionButton, cancelHint, link, pageHead, pager, table, taskLink } from "../markup/parts.ts";
import type { EventsData, WaitingPageData } from "../read/shapes.ts";
import { numberIn, type Page, type Query, textIn } from "./page.ts";
import { stepTag } from "./step_tag.ts";

/** Events that are shown. */
const SHOWN = 50;
/** Characters of a payload in a row. */
const PAYLOAD = 90;

function waitingTable({ tasks, next }: WaitingPageData, query: Query): Markup {
  const { task, vo } = query;
  const isPart = textIn(query, "task") !== undefined && textIn(query, "vo") !== undefined;
  const shown = table({
    caption: "Waiting or running, the oldest first",
    captionShown: "shown",
    columns: [
      { title: "Task", kind: "bare" },
      { title: "VO" },
      { title: "Stored" },
      { title: "Attempt", kind: "number" },
      { title: "Payload" },
      { title: "Actions", kind: "act" },
    ],
    rows: tasks.map((each) => ({
      key: String(each.sequence),
      cells: [
        html`${each.task}<br><span class="small">${taskLink(each.taskId)}</span>`,
        voText(each.vo),
        ago(each.storedAt),
        each.attempt,
        html`<code>${cut(each.payload, PAYLOAD)}</code> <span class="quiet small">${bytes(each.bytes)}</span>`,
        actionButton({
          ...{ action: "task.cancel", text: "Cancel", label: `Cancel ${each.taskId}`, fields: { id: each.taskId } },
          ...{ question: `Cancel ${each.task} ${each.taskId}? If it runs, it is told to stop.`, mood: "danger" },
        }),
      ],
    })),
    empty: isPart
      ? { title: "Nothing of this waits", text: html`<a href="/tasks">Show what waits of all tasks</a>` }
      : {
          title: "Nothing waits",
          text: html`What was published and has not ended stands here. Publish one: <code>muster task publish MyPilotReportTask</code>`,
        },
  });
  const links = [
    ["From the oldest", query["after"] === undefined ? undefined : link("/tasks", { task, vo })],
    ["Next page", next === null ? undefined : link("/tasks", { task, vo, after: next })],
  ] as const;
  return html`${shown}${tasks.length > 0 && cancelHint(undefined)}${pager(links)}`;
}

function eventsTable({ events }: EventsData, isFiltered: boolean): Markup {
  return table({
    caption: "Newest steps",
    captionShown: "shown",
    columns: [
      { title: "Task", kind: "bare" },
      { title: "VO" },
      { title: "Step" },
      { title: "When" },
      { title: "Took", kind: "number" },
      { title: "Worker" },
    ],
    rows: events.map(({ task, taskId, vo, step, attempt, at, tookMs, worker, reason }) => ({
      key: `${taskId} ${step} ${attempt}`,
      cells: [
        html`${task}<br><span class="small">${taskLink(taskId)}</span>${reason !== null && html`<br><span class="small quiet">${cut(reason, 160)}</span>`}`,
        voText(vo),
        html`${stepTag(step)}${attempt > 1 && html` <span class="quiet small nowrap">attempt ${attempt}</span>`}`,
        html`<span class="nowrap">${ago(at)}</span>`,
        tookMs === null ? "" : duration(tookMs),
        html`<span class="small">${worker}</span>`,
      ],
    })),
    empty: isFiltered
      ? { title: "No step of the last ones matches", text: html`<a href="/tasks">Show the steps of all tasks</a>` }
      : {
          title: "No step was told yet",
          text: html`Steps of tasks show here as they come. Publish one: <code>muster task publish MyPilotReportTask</code>`,
        },
  });
}

function search({ task, vo, step }: Query): Markup {
  const steps = ["", "started", "done", "retry", "dead", "dropped", "cancelled", "refused", "contended", "abandoned"];
  return html`<form class="row" method="get" action="/task"><label class="wide">Id of a task<input type="search" name="id" required data-search placeholder="MyCheckPilotsTask/lhcb/default/…"></label><button class="main">Find</button></form>
<form class="row" method="get" action="/tasks"><label>Task<input name="task" value="${task}"></label><label>VO<input name="vo" size="12" value="${vo}"></label><label>Step<select name="step">${steps.map(
    (each) => html`<option value="${each}"${each === (step ?? "") && html` selected`}>${each || "any"}</option>`,
  )}</select></label><button>Filter</button></form>`;
}

/** Search, what waits, and the newest steps. */
export const tasksPage: Page = {
  path: "/tasks",
  nav: "/tasks",
  everyMs: 2_000,
  async make(reads, query) {
    const [task, vo, step] = [textIn(query, "task"), textIn(query, "vo"), textIn(query, "step")];
    const [waiting, events] = await Promise.all([
      reads.waiting({ task, vo, after: numberIn(query, "after") }),
      reads.events({ task, vo, step, limit: SHOWN }),
    ]);
    const of =
      task === undefined ? undefined : html`<p class="quiet">${task}${vo !== undefined && html` of ${voText(vo)}`}</p>`;
    const part =
      (task === undefined) !== (vo === undefined) &&
      html`<p class="quiet">What waits is shown of all tasks: give both a task and a VO to narrow it.</p>`;
    return {
      title: "Tasks",
      main: html`${pageHead("Tasks", of)}<div class="stack">${search(query)}${part}${waitingTable(waiting, query)}${eventsTable(
        events,
        [task, vo, step].some((field) => field !== undefined),
      )}</div>`,
    };
  },
};
