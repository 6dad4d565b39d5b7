// Tested by apps/dashboard/src/serve/serve_test.ts
import { ago, counted, voText } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { actionButton, facts, link, pageHead, table, tag } from "../markup/parts.ts";
import type { SchedulesData } from "../read/shapes.ts";
import { type Page, textIn } from "./page.ts";

type Row = SchedulesData["schedules"][number];

/** The fields that name one schedule. */
function fieldsOf({ task, vo, instance }: Row): Record<string, string> {
  return { task, vo, instance };
}

function nameOf({ task, vo, instance }: Row): string {
  return `${task}${vo === "_" ? "" : ` of ${vo}`}${instance === "default" ? "" : `, ${instance}`}`;
}

function stateOf({ state, leader, occupied, pause, late }: Row): Markup {
  const who =
    pause !== null &&
    html`<br><span class="small quiet">${pause.by ?? "somebody"}${pause.reason !== null && html`: ${pause.reason}`}</span>`;
  if (state === "paused") return html`${tag("paused", "warn")}${who}`;
  if (state === "off") return tag("off");
  if (leader === null) return tag("no leader", "bad");
  if (late !== null)
    return html`${tag("does not fire", "bad")}<br><span class="small quiet">due ${ago(late)}; <code>muster doctor</code> says why</span>`;
  return occupied ? tag("last one still runs") : tag("on", "good");
}

function buttons(row: Row): Markup {
  const [fields, name] = [fieldsOf(row), nameOf(row)];
  const pause =
    row.state === "paused"
      ? actionButton({ action: "schedule.resume", text: "Resume", label: `Resume ${name}`, fields })
      : row.state === "on" &&
        actionButton({
          action: "schedule.pause",
          text: "Pause",
          label: `Pause ${name}`,
          fields,
          question: `Pause ${name}? Nothing is published until it is resumed.`,
        });
  return html`${actionButton({ action: "schedule.trigger", text: "Trigger", label: `Trigger ${name} now`, fields, question: `Publish ${name} now, once?` })} ${pause} <a class="button small" href="${link("/schedule", fields)}" aria-label="Change ${name}">Change</a>`;
}

/** Schedules: last and next time, pause, trigger, change. */
export const schedulesPage: Page = {
  path: "/schedules",
  nav: "/schedules",
  everyMs: 2_000,
  async make(reads) {
    const { schedules } = await reads.schedules(undefined);
    return {
      title: "Schedules",
      main: html`${pageHead("Schedules", html`<p class="quiet">${counted(schedules.length, "schedule")}</p>`)}${table({
        caption: "Schedules",
        columns: [
          { title: "Task", kind: "bare" },
          { title: "Schedule" },
          { title: "State" },
          { title: "Last" },
          { title: "Next" },
          { title: "Actions", kind: "act" },
        ],
        rows: schedules.map((row) => ({
          key: `${row.task} ${row.vo} ${row.instance}`,
          cells: [
            html`${row.task}<br><span class="quiet small">${voText(row.vo)}${row.instance !== "default" && html` · ${row.instance}`}</span>`,
            html`<code>${row.schedule}</code>`,
            stateOf(row),
            row.last === null ? "" : ago(row.last),
            row.next === null ? "" : ago(row.next),
            buttons(row),
          ],
        })),
        empty: {
          title: "No schedule is in force",
          text: html`A periodic task per VO needs a VO: <code>muster vo add lhcb</code>. See the <a href="/configuration">configuration</a>.`,
        },
      })}`,
    };
  },
};

function changeForm(row: Row): Markup {
  const { task, vo, instance, schedule } = row;
  const isOwn = instance === "default";
  const hidden = html`<input type="hidden" name="task" value="${task}"><input type="hidden" name="instance" value="${instance}">`;
  const scope =
    vo === "_" || !isOwn
      ? html``
      : html`<label>For<select name="vo"><option value="${vo}">${vo} alone</option><option value="">all VOs</option></select></label>`;
  return html`<section class="card acts-block"><h2>Change it</h2>
<form class="row acts" method="post" action="/act/schedule.set">${hidden}<label class="wide">Schedule<input name="schedule" required value="${schedule === "off" ? "" : schedule}" placeholder="every 30s, cron 0 6 * * * Europe/Zurich, rrule FREQ=DAILY;BYHOUR=6"></label>${scope}<button class="main">Change</button></form>
<p></p>
<form class="acts" method="post" action="/act/schedule.reset" data-question="Take the override back?">${hidden}<input type="hidden" name="vo" value="${isOwn && vo !== "_" ? vo : ""}"><button>Back to the definition's</button></form>
<p></p>
<form class="acts" method="post" action="/act/schedule.${schedule === "off" ? "enable" : "disable"}" data-question="${schedule === "off" ? "Switch it on again?" : "Switch it off? What is missed meanwhile does not come."}">${hidden}<input type="hidden" name="vo" value="${isOwn && vo !== "_" ? vo : ""}"><button>${schedule === "off" ? "Switch on" : "Switch off"}</button></form>
</section>`;
}

/** One schedule, to be changed. */
export const schedulePage: Page = {
  path: "/schedule",
  nav: "/schedules",
  everyMs: 0,
  async make(reads, query) {
    const { schedules } = await reads.schedules(undefined);
    const [task, vo, instance] = [textIn(query, "task"), textIn(query, "vo"), textIn(query, "instance") ?? "default"];
    const row = schedules.find((each) => each.task === task && each.vo === vo && each.instance === instance);
    if (row === undefined) return undefined;
    return {
      title: nameOf(row),
      main: html`${pageHead(nameOf(row))}<div class="stack"><section class="card">${facts([
        ["Schedule", html`<code>${row.schedule}</code>`],
        ["Time zone", row.timeZone],
        ["State", stateOf(row)],
        ["Last", row.last === null ? undefined : ago(row.last)],
        ["Next", row.next === null ? undefined : ago(row.next)],
        ["Led by", row.leader],
      ])}</section>${changeForm(row)}</div>`,
    };
  },
};
