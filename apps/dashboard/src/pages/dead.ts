// Tested by apps/dashboard/src/act/act_test.ts
import { ago, count, counted, cut, voText } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { actionButton, facts, link, pageHead, pager, table, taskLink } from "../markup/parts.ts";
import { AGE, type DeadChoice, fixAge, wordsOf } from "../read/dead_choice.ts";
import type { DeadPageData } from "../read/shapes.ts";
import { numberIn, type Page, type Query, textIn } from "./page.ts";

/** Age from which a count is said to be old, ms. */
const RECENT_MS = 6_000;

/** The ages that are offered. Others are taken from the address. */
const AGES: readonly (readonly [age: string, text: string])[] = [
  ["<10m", "in the last 10 minutes"],
  ["<1h", "in the last hour"],
  ["<1d", "in the last day"],
  ["<7d", "in the last week"],
  [">1h", "over an hour ago"],
  [">1d", "over a day ago"],
  [">7d", "over a week ago"],
  [">30d", "over 30 days ago"],
];

/** The fields by which letters are chosen. */
function filterOf(query: Query): DeadChoice {
  const age = textIn(query, "age");
  return {
    ...{ task: textIn(query, "task"), vo: textIn(query, "vo"), reason: textIn(query, "reason") },
    age: age !== undefined && AGE.test(age) ? age : undefined,
  };
}

function hiddenFields(choice: DeadChoice): Markup[] {
  return Object.entries(choice).flatMap(([name, value]) =>
    value === undefined ? [] : [html`<input type="hidden" name="${name}" value="${value}">`],
  );
}

function ageSelect(age: string | undefined): Markup {
  const isOffered = age === undefined || AGES.some(([each]) => each === age);
  const offered = isOffered ? AGES : [...AGES, [age, age] as const];
  return html`<label>Died<select name="age"><option value="">at any time</option>${offered.map(
    ([value, text]) => html`<option value="${value}"${value === age && html` selected`}>${text}</option>`,
  )}</select></label>`;
}

function filterForm({ task, vo, reason, age }: DeadChoice): Markup {
  return html`<form class="row" method="get" action="/dead"><label>Task<input name="task" value="${task}"></label><label>VO<input name="vo" size="12" value="${vo}"></label>${ageSelect(age)}<label class="wide">Reason has<input type="search" name="reason" value="${reason}"></label><button>Filter</button></form>`;
}

function letterTable({ letters, next }: DeadPageData, filter: DeadChoice): Markup {
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  return table({
    caption: "Dead letters, the newest first",
    columns: [
      { title: "Select", kind: "choose" },
      { title: "Task", kind: "bare" },
      { title: "VO" },
      { title: "Reason" },
      { title: "Died" },
      { title: "Attempt", kind: "number" },
    ],
    rows: letters.map(({ sequence, task, vo, taskId, attempt, reason, deadAt }) => ({
      key: String(sequence),
      cells: [
        html`<input type="checkbox" form="chosen" name="sequence" value="${sequence}" aria-label="Select dead letter ${sequence}">`,
        html`<a href="${link("/letter", { sequence })}">${task || `letter ${sequence}`}</a><br><span class="small quiet mono">${cut(taskId, 80)}</span>`,
        voText(vo),
        cut(reason, 240),
        html`<span class="nowrap">${ago(deadAt)}</span>`,
        attempt,
      ],
    })),
    empty: isFiltered
      ? {
          title: next === null ? "No dead letter matches" : "None of the letters that were looked at matches",
          text:
            next === null
              ? html`<a href="/dead">Show all</a>`
              : html`Go on to older ones, or <a href="/dead">show all</a>.`,
        }
      : {
          title: "There is no dead letter",
          text: html`A task that was given up would stand here with its payload and the reason. <code>muster dead list</code> shows the same.`,
        },
  });
}

function chosenForm(filter: DeadChoice, total: number | null): Markup {
  return html`<form id="chosen" class="acts" method="get" action="/dead/confirm">${hiddenFields(filter)}
<button name="do" value="requeue">Requeue selected</button><button class="danger" name="do" value="drop">Drop selected</button>
<span class="quiet">or all${total !== null && html` ${count(total)}`} that match:</span>
<button name="do" value="requeue-all">Requeue all</button><button class="danger" name="do" value="drop-all">Drop all</button></form>`;
}

/** How many there are, and when that was counted where it took its time. */
function countOf({ total, countedAt }: DeadPageData, filter: DeadChoice): Markup {
  if (total === null) return html`<p class="quiet">counting letters${wordsOf(filter)} …</p>`;
  const isOld = Date.now() - Date.parse(countedAt ?? "") > RECENT_MS;
  return html`<p class="quiet">${counted(total, "letter")}${wordsOf(filter)}${isOld && html`, counted ${ago(countedAt)}`}</p>`;
}

/** Dead letters: filter, look, choose. */
export const deadPage: Page = {
  path: "/dead",
  nav: "/dead",
  everyMs: 3_000,
  async make(reads, query) {
    const filter = filterOf(query);
    const before = numberIn(query, "before");
    const page = await reads.dead({ ...filter, before });
    const links = [
      ["Newest", before === undefined ? undefined : link("/dead", { ...filter })],
      ["Older", page.next === null ? undefined : link("/dead", { ...filter, before: page.next })],
    ] as const;
    const isMany = page.total === null ? page.letters.length > 0 : page.total > 0;
    return {
      title: "Dead letters",
      main: html`${pageHead("Dead letters", countOf(page, filter))}<div class="stack">${filterForm(filter)}${isMany && chosenForm(filter, page.total)}${letterTable(page, filter)}${pager(links)}</div>`,
    };
  },
};

/** What the four buttons do: to the selected letters, or to all that match. */
const DEEDS: Readonly<
  Record<
    string,
    { readonly action: string; readonly verb: string; readonly effect: string; readonly of: "chosen" | "all" }
  >
> = {
  requeue: {
    action: "dead.requeue",
    verb: "Requeue",
    effect: "Each task runs again under its own id, as its next attempt.",
    of: "chosen",
  },
  drop: {
    action: "dead.drop",
    verb: "Drop",
    effect: "They are deleted for good. Their tasks run no more.",
    of: "chosen",
  },
  "requeue-all": {
    action: "dead.requeue",
    verb: "Requeue",
    effect: "Each task runs again under its own id, as its next attempt.",
    of: "all",
  },
  "drop-all": {
    action: "dead.drop",
    verb: "Drop",
    effect: "They are deleted for good. Their tasks run no more.",
    of: "all",
  },
};

function sequencesIn(query: Query): string[] {
  return (query["sequence"] ?? "").split(",").filter((text) => /^[0-9]{1,15}$/.test(text));
}

/** The question before dead letters are requeued or dropped. The number that is shown is the number that must be typed. */
export const confirmDeadPage: Page = {
  path: "/dead/confirm",
  nav: "/dead",
  everyMs: 0,
  async make(reads, query) {
    const deed = DEEDS[query["do"] ?? ""];
    if (deed === undefined) return undefined;
    const given = filterOf(query);
    // What is confirmed is about the letters of this moment.
    const filter = fixAge(given, Date.now());
    const chosen = sequencesIn(query);
    const total = deed.of === "chosen" ? chosen.length : await reads.deadCount(filter);
    const back = link("/dead", { ...given });
    if (total === 0) {
      return {
        title: "Nothing is selected",
        main: html`${pageHead("Nothing is selected")}<p>Select letters in the list first. <a href="${back}">Back to the list</a></p>`,
      };
    }
    const what = `${deed.verb} ${counted(total, "dead letter")}${deed.of === "all" ? wordsOf(filter) : ""}`;
    const fields =
      deed.of === "chosen"
        ? chosen.map((sequence) => html`<input type="hidden" name="sequence" value="${sequence}">`)
        : hiddenFields(filter);
    return {
      title: what,
      main: html`${pageHead(`${what}?`)}<div class="stack"><section class="card"><p>${deed.effect} Nothing is done if their number is another one by then.</p>
<form class="row acts" method="post" action="/act/${deed.action}">${fields}<input type="hidden" name="count" value="${total}"><label>Type ${count(total)} to confirm<input name="confirmed" required autocomplete="off" inputmode="numeric" size="12"></label><button class="${deed.action === "dead.drop" ? "danger" : "main"}">${deed.verb}</button><a class="button" href="${back}">Back</a></form></section></div>`,
    };
  },
};

/** One dead letter. */
export const letterPage: Page = {
  path: "/letter",
  nav: "/dead",
  everyMs: 0,
  async make(reads, query) {
    const sequence = numberIn(query, "sequence");
    if (sequence === undefined) return undefined;
    const { letter, subject, errors, headers, payload, requeueProblem } = await reads.letter(sequence);
    const fields = { sequence: String(sequence), count: "1", confirmed: "1" };
    return {
      title: `Dead letter ${sequence}`,
      main: html`${pageHead(`Dead letter ${sequence}`, html`<p class="quiet">${letter.task} of ${voText(letter.vo)}</p>`)}<div class="stack">
<div class="acts">${requeueProblem === null && actionButton({ action: "dead.requeue", text: "Requeue", fields })}${actionButton({ action: "dead.drop", text: "Drop", fields, question: "Delete this letter for good?", mood: "danger" })}</div>
<section class="notice bad"><p>${letter.reason || "It has no reason"}</p></section>
<div class="two"><section class="card">${facts([
        ["Task", letter.task],
        ["VO", voText(letter.vo)],
        ["Task id", letter.taskId === "" ? undefined : taskLink(letter.taskId)],
        ["Attempt", letter.attempt],
        ["Died", ago(letter.deadAt)],
        ["Lay on", subject === "" ? undefined : html`<code>${subject}</code>`],
        ["Requeue", requeueProblem],
      ])}</section><section class="card"><h2>Headers</h2>${headers.length === 0 ? html`<p class="quiet">none</p>` : facts(headers.map(({ name, value }) => [name, html`<code>${value}</code>`] as const))}</section></div>
<section class="card"><h2>Payload</h2><pre>${payload || "(empty)"}</pre></section>
${errors.length > 0 && html`<section class="card"><h2>Errors of its attempts</h2><div class="stack">${errors.map((error) => html`<pre>${error}</pre>`)}</div></section>`}</div>`,
    };
  },
};
