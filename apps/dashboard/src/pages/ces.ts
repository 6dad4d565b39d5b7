import { bar } from "../markup/chart.ts";
import { count, counted, duration } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { actionButton, pageHead, table, tag, taskLink } from "../markup/parts.ts";
import type { CesData } from "../read/shapes.ts";
import { type Page, textIn } from "./page.ts";

/** VOs that have a colour of their own in a bar. */
const COLOURS = 5;

type Ce = CesData["ces"][number];

/** The colour of each VO, the same at all CEs. */
function coloursOf(ces: readonly Ce[]): ReadonlyMap<string, string> {
  const names = [...new Set(ces.flatMap(({ vos }) => vos.map(({ vo }) => vo)))].sort();
  return new Map(names.map((vo, index) => [vo, index < COLOURS ? String(index + 1) : "6"]));
}

function slots({ vos, capacity, active, name }: Ce, colours: ReadonlyMap<string, string>): Markup {
  const shares = vos.map(({ vo, submitted, running }) => ({
    ...{ name: vo, value: submitted + running, colour: colours.get(vo) ?? "6" },
  }));
  const said = `${name}: ${active} of ${counted(capacity, "slot")} taken${shares.map((share) => `, ${share.name} ${share.value}`).join("")}`;
  return bar(shares, capacity, said);
}

function lockOf({ lock, waitingForLock }: Ce): Markup {
  const waits =
    waitingForLock > 0 &&
    html`<br><span class="quiet">${counted(waitingForLock, "task")} wait${waitingForLock === 1 && "s"} for it</span>`;
  if (lock === null) return html`<span class="quiet">free</span>${waits}`;
  return html`<span class="small">${lock.worker}, <span class="nowrap">${duration(lock.leftMs)} left</span><br>${taskLink(lock.taskId)}</span>${waits}`;
}

function row(ce: Ce, colours: ReadonlyMap<string, string>) {
  const { name, enabled, capacity, active, allowedVos, vos } = ce;
  const shares = vos.map(
    ({ vo, submitted, running }) =>
      html`<li><span class="key f${colours.get(vo) ?? "6"}"></span>${vo} <b>${count(submitted + running)}</b></li>`,
  );
  return {
    key: name,
    cells: [
      html`<strong>${name}</strong>${!enabled && html` ${tag("disabled", "warn")}`}<br><span class="quiet small">${allowedVos === null ? "all VOs" : allowedVos.length === 0 ? "no VO" : allowedVos.join(", ")}</span>`,
      html`${slots(ce, colours)}<ul class="legend">${shares}</ul>`,
      html`${count(active)} of ${count(capacity)}`,
      lockOf(ce),
      enabled
        ? actionButton({
            action: "ce.disable",
            text: "Disable",
            label: `Disable ${name}`,
            fields: { name },
            question: `Let no new pilot into ${name}? Active ones run on.`,
          })
        : actionButton({ action: "ce.enable", text: "Enable", label: `Enable ${name}`, fields: { name } }),
    ],
  };
}

/** The CEs: how full each is, of which VOs, and which task submits there now. */
export const cesPage: Page = {
  path: "/ces",
  nav: "/ces",
  everyMs: 2_000,
  async make(reads, query) {
    const { ces } = await reads.ces();
    const wanted = textIn(query, "name");
    const shown = wanted === undefined ? ces : ces.filter(({ name }) => name.includes(wanted.toLowerCase()));
    const colours = coloursOf(ces);
    const active = ces.reduce((sum, ce) => sum + ce.active, 0);
    const open = ces.reduce((sum, { capacity, enabled }) => sum + (enabled ? capacity : 0), 0);
    return {
      title: "CEs",
      main: html`${pageHead("CEs", html`<p class="quiet">${counted(active, "active pilot")} in ${counted(open, "slot")}</p>`)}
<div class="stack"><form class="row" method="get"><label class="wide">Name<input type="search" name="name" value="${wanted}"></label><button>Filter</button></form>
${table({
  caption: "CEs",
  columns: [
    { title: "CE", kind: "bare" },
    { title: "Active pilots" },
    { title: "Slots", kind: "number" },
    { title: "Lock" },
    { title: "Actions", kind: "act" },
  ],
  rows: shown.map((ce) => row(ce, colours)),
  empty:
    wanted === undefined
      ? { title: "There is no CE yet", text: html`Add one: <code>muster ce add ce01.example.org --capacity 10</code>` }
      : { title: "No CE has this in its name", text: html`<a href="/ces">Show all</a>` },
})}</div>`,
    };
  },
};
