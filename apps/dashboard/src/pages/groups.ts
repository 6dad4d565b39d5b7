// Tested by apps/dashboard/src/serve/serve_test.ts
import { bar } from "../markup/chart.ts";
import { ago, count, counted, voText } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { facts, link, pageHead, table, tag, taskLink } from "../markup/parts.ts";
import type { GroupData, GroupDetailsData } from "../read/shapes.ts";
import { type Page, textIn } from "./page.ts";
import { stepTag } from "./step_tag.ts";

function progress({ ended, failed, total }: GroupData): Markup {
  const done = ended - failed;
  const said = `${done} done and ${failed} not done of ${total}`;
  const shares = [
    { name: "done", value: done, colour: "1" },
    { name: "not done", value: failed, colour: "bad" },
  ];
  return html`${bar(shares, total, said)}<span class="small quiet">${count(ended)} of ${count(total)} ended${failed > 0 && html`, <span class="nowrap">${count(failed)} not done</span>`}</span>`;
}

function stateTag({ state, open, failed }: GroupData): Markup {
  return tag(state, open ? "plain" : failed > 0 ? "warn" : "good");
}

/** The groups of children, with how far they are. */
export const groupsPage: Page = {
  path: "/groups",
  nav: "/groups",
  everyMs: 3_000,
  async make(reads) {
    const { groups } = await reads.groups(undefined);
    const open = groups.filter((group) => group.open).length;
    return {
      title: "Groups",
      main: html`${pageHead("Groups", html`<p class="quiet">${count(open)} open</p>`)}${table({
        caption: "Groups",
        columns: [
          { title: "Group", kind: "bare" },
          { title: "State" },
          { title: "Children" },
          { title: "Sealed" },
          { title: "Callback" },
        ],
        rows: groups.map((group) => ({
          key: group.id,
          cells: [
            html`<a class="mono" href="${link("/group", { id: group.id })}">${group.id}</a>`,
            stateTag(group),
            progress(group),
            ago(group.sealedAt),
            html`${group.callback.task}<br><span class="quiet small">${voText(group.callback.vo)}</span>`,
          ],
        })),
        empty: {
          title: "There is no group",
          text: html`A task makes one with <code>spawnGroup</code>: its callback runs when all children have ended. Groups show here until a day after that. Publish such a task: <code>muster task publish MyParentTask</code>`,
        },
      })}`,
    };
  },
};

function childrenTable({ children, notDone, group }: GroupDetailsData): Markup {
  const shown = table({
    caption: "Children that are not done",
    captionShown: "shown",
    columns: [{ title: "Key" }, { title: "Outcome" }, { title: "Task" }, { title: "VO" }, { title: "Error" }],
    rows: children.map(({ key, outcome, task, vo, taskId, error }) => ({
      key,
      cells: [
        key,
        stepTag(outcome),
        html`${task}<br><span class="small">${taskLink(taskId)}</span>`,
        voText(vo),
        error,
      ],
    })),
    empty: {
      title: "All children are done",
      text: `${counted(group.total, "child", "children")}, each with the outcome done`,
    },
  });
  const more =
    notDone > children.length &&
    html`<p class="quiet">${counted(notDone - children.length, "more child", "more children")} not shown; <code>muster group show --json</code> has all.</p>`;
  return html`${shown}${more}`;
}

/** One group. */
export const groupPage: Page = {
  path: "/group",
  nav: "/groups",
  everyMs: 3_000,
  async make(reads, query) {
    const id = textIn(query, "id");
    const found = id === undefined ? undefined : await reads.group(id);
    if (found === undefined) return undefined;
    const { group } = found;
    const cancel =
      group.open &&
      html`<form class="acts" method="post" action="/act/group.cancel" data-question="Cancel all children that have not ended? The callback still runs."><input type="hidden" name="id" value="${group.id}"><button class="danger">Cancel its children</button></form>`;
    return {
      title: "Group",
      main: html`${pageHead("Group", html`<p class="mono quiet">${group.id}</p>`)}<div class="stack">${cancel}<div class="two"><section class="card"><h2>Progress</h2>${progress(group)}</section>
<section class="card">${facts([
        ["State", stateTag(group)],
        ["Parent", taskLink(group.parent)],
        ["Callback", taskLink(group.callback.taskId)],
        ["Policy", group.policy],
        ["Sealed", ago(group.sealedAt)],
        ["Deadline", ago(group.deadlineAt)],
      ])}</section></div>${childrenTable(found)}</div>`,
    };
  },
};
