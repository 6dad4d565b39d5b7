// Tested by apps/dashboard/src/serve/serve_test.ts
import { ago, count, duration, moment, voText } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { cancelHint, emptyState, facts, pageHead, table, taskLink } from "../markup/parts.ts";
import type { TaskData } from "../read/shapes.ts";
import { type Content, type Page, textIn } from "./page.ts";
import { moodOf, stepTag } from "./step_tag.ts";

const OPEN: ReadonlySet<string> = new Set(["waiting", "delayed", "running", "unknown"]);

function progressOf({ progress }: TaskData): Markup | undefined {
  if (progress === null) return undefined;
  const { done, total, note } = progress;
  return html`${count(done)}${total !== null && html` of ${count(total)}`}${note !== null && html` · ${note}`} <span class="quiet">${ago(progress.at)}</span>`;
}

function factsOf(task: TaskData): Markup {
  const { attempt, worker, dueAt, endedAt, parent, stream } = task;
  return html`<section class="card">${facts([
    ["Task", task.task],
    ["VO", task.vo === null ? undefined : voText(task.vo)],
    ["State", stepTag(task.state)],
    ["Attempt", attempt],
    ["Message in", stream],
    ["Due", dueAt === null ? undefined : ago(dueAt)],
    ["Ended", endedAt === null ? undefined : ago(endedAt)],
    ["Worker", worker],
    ["Progress", progressOf(task)],
    ["Parent", parent === null ? undefined : taskLink(parent)],
  ])}</section>`;
}

function timeline({ timeline: steps }: TaskData): Markup {
  const shown = steps.map(
    ({
      step,
      attempt,
      at,
      worker,
      tookMs,
      reason,
    }) => html`<li class="${moodOf(step)}"><strong>${step}</strong>${attempt > 1 && html` <span class="quiet">attempt ${attempt}</span>`}
<span class="quiet small">${moment(new Date(at)).slice(11)} UTC, ${ago(at)}${tookMs !== null && html` · ${step === "started" ? "waited" : "took"} ${duration(tookMs)}`}</span>
<br><span class="quiet small">${worker}</span>${reason !== null && html`<br>${reason}`}</li>`,
  );
  return html`<section class="card"><h2>Steps</h2>${steps.length === 0 ? html`<p class="quiet">No step of it is told: none was taken yet, or more than a day ago. Steps are kept for a day.</p>` : html`<ol class="steps">${shown}</ol>`}</section>`;
}

function errors({ errors: texts }: TaskData): Markup {
  if (texts.length === 0) return html``;
  return html`<section class="card"><h2>Errors of its attempts</h2><div class="stack">${texts.map((text) => html`<pre>${text}</pre>`)}</div></section>`;
}

function children({ children: all }: TaskData): Markup {
  if (all.length === 0) return html``;
  return table({
    caption: "Children",
    captionShown: "shown",
    columns: [{ title: "Task" }, { title: "VO" }, { title: "Id" }],
    rows: all.map(({ taskId, task, vo }) => ({ key: taskId, cells: [task, voText(vo), taskLink(taskId)] })),
    empty: { title: "It has no children", text: "" },
  });
}

function cancelForm({ taskId, state }: TaskData): Markup {
  if (!OPEN.has(state)) return html``;
  return html`<form class="acts row" method="post" action="/act/task.cancel" data-question="Cancel this task? A running one is told to stop."><input type="hidden" name="id" value="${taskId}"><label>Why<input name="reason" maxlength="200"></label><button class="danger">Cancel this task</button></form>`;
}

function result({ result: text }: TaskData): Markup {
  return text === null ? html`` : html`<section class="card"><h2>Result</h2><pre>${text}</pre></section>`;
}

function stillLooked(id: string): Content {
  const text = "Many tasks wait or are dead letters, so that takes some seconds. This page shows it then.";
  return {
    title: "Task",
    main: html`${pageHead("Task", html`<p class="mono quiet">${id}</p>`)}<section class="card flush">${emptyState({ title: "It is being looked for", text })}</section>`,
  };
}

/** All that is known of one task. */
export const taskPage: Page = {
  path: "/task",
  nav: "/tasks",
  everyMs: 2_000,
  async make(reads, query) {
    const id = textIn(query, "id");
    if (id === undefined) return undefined;
    const task = await reads.taskSoon(id);
    if (task === undefined) return stillLooked(id);
    const isNothing = task.state === "unknown" && task.timeline.length === 0;
    const body = isNothing
      ? html`<section class="card flush">${emptyState({
          title: "Nothing is known of a task of this id",
          text: html`It never was, or it ended longer ago than outcomes are kept. <code>muster task list</code> lists ids of what waits. <a href="/tasks">Look at all tasks</a>`,
        })}</section>`
      : html`${OPEN.has(task.state) && cancelHint(task.taskId)}<div class="two">${factsOf(task)}${timeline(task)}</div>${errors(task)}${result(task)}${children(task)}`;
    return {
      title: task.task ?? "Task",
      main: html`${pageHead(task.task ?? "Task", html`<p class="mono quiet">${task.taskId}</p>`)}<div class="stack">${cancelForm(task)}${body}
${task.notes.length > 0 && html`<section class="quiet small"><ul>${task.notes.map((note) => html`<li>${note}</li>`)}</ul></section>`}</div>`,
    };
  },
};
