// Tested by apps/dashboard/src/markup/markup_test.ts
import { html, type Markup, type Part } from "./html.ts";

/** A column of a table. */
export interface Column {
  readonly title: string;
  /**
   * `bare`: on a phone the cell stands without its title. `wide`: there it has a line of its own, also where rows are lines. `act`: it holds
   * buttons, and is there only for who may act. `choose`: the same, and it holds a box to check.
   */
  readonly kind?: "text" | "number" | "bare" | "act" | "choose" | "wide";
}

function cell({ title, kind = "text" }: Column, part: Part): Markup {
  const style = kind === "text" ? "" : kind;
  return html`<td role="cell" class="${style}" data-name="${title}"><div>${isEmpty(part) ? "–" : part}</div></td>`;
}

function isEmpty(part: Part): boolean {
  return part === "" || part === undefined || part === null || part === false;
}

function heading({ title, kind = "text" }: Column): Markup {
  const shown =
    title === "" || kind === "act" || kind === "choose"
      ? html`<span class="hidden">${title || "Actions"}</span>`
      : title;
  return html`<th role="columnheader" scope="col" class="${kind === "text" ? "" : kind}">${shown}</th>`;
}

/** What stands where a table would have no row. */
export interface Empty {
  readonly title: string;
  /** What to do, or what it means. */
  readonly text: Part;
}

/** What a reader sees where there is nothing. */
export function emptyState({ title, text }: Empty): Markup {
  return html`<div class="empty"><p><strong>${title}</strong></p><p>${text}</p></div>`;
}

/** A row: its cells in the columns' order, and its name among the rows, so that an update changes this row and no other. */
export interface Row {
  readonly key: string;
  readonly cells: readonly Part[];
}

/** What a table shows. */
export interface Table {
  /** Its title. Hidden where the page's own title says it. */
  readonly caption: string;
  readonly captionShown?: "shown" | "hidden";
  readonly columns: readonly Column[];
  /** How a row stands on a phone: as a list of its cells with their titles, or as a line without them. Default `list`. */
  readonly narrow?: "list" | "line";
  readonly rows: readonly Row[];
  readonly empty: Empty;
}

/** A table in a card. On a phone each row is a list of its own. */
export function table({ caption, captionShown = "hidden", columns, narrow = "list", rows, empty }: Table): Markup {
  if (rows.length === 0)
    return html`<section class="card flush">${captionShown === "shown" && html`<h2>${caption}</h2>`}${emptyState(empty)}</section>`;
  const body = rows.map(
    ({ key, cells }) =>
      html`<tr role="row" data-key="${key}">${columns.map((column, index) => cell(column, cells[index]))}</tr>`,
  );
  return html`<div class="card flush"><table role="table" class="${narrow === "line" && "lines"}"><caption${captionShown === "hidden" && html` class="hidden"`}>${caption}</caption>
<thead role="rowgroup"><tr role="row">${columns.map(heading)}</tr></thead><tbody role="rowgroup">${body}</tbody></table></div>`;
}

/** A list of names with what belongs to them. */
export function facts(pairs: readonly (readonly [name: string, value: Part])[]): Markup {
  const shown = pairs.filter(([, value]) => !isEmpty(value));
  return html`<dl class="facts">${shown.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`)}</dl>`;
}

/** How something is. */
export type Mood = "plain" | "good" | "warn" | "bad";

/** A word on a coloured ground. The word says all, for who sees no colours. */
export function tag(text: string, mood: Mood = "plain"): Markup {
  return html`<span class="tag ${mood}">${text}</span>`;
}

/** The title of a page, with what stands beside it. */
export function pageHead(title: Part, beside: Part = undefined): Markup {
  return html`<div class="head"><h1>${title}</h1>${beside}</div>`;
}

/** One large figure. */
export interface Figure {
  readonly name: string;
  readonly value: Part;
  readonly more?: Part;
  readonly href?: string;
}

/** Figures in a row. */
export function figures(all: readonly Figure[]): Markup {
  return html`<div class="figures">${all.map(({ name, value, more, href }) => {
    const inside = html`<span class="name">${name}</span><span class="value">${value}</span><span class="more">${more}</span>`;
    return href === undefined
      ? html`<div class="figure">${inside}</div>`
      : html`<a class="figure" href="${href}">${inside}</a>`;
  })}</div>`;
}

/** A button that does something: a form of its own, so that it works without a script. */
export interface Button {
  /** The action, as `queue.pause`. */
  readonly action: string;
  readonly text: string;
  /** What is read out in place of the text, where the text alone does not say to what it is done. */
  readonly label?: string;
  readonly fields: Readonly<Record<string, string>>;
  /** A question that the script asks first. */
  readonly question?: string;
  readonly mood?: "danger";
}

/** A small button in a row of a table. */
export function actionButton({ action, text, label, fields, question, mood }: Button): Markup {
  const hidden = Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  );
  const asks = question === undefined ? undefined : html` data-question="${question}"`;
  return html`<form method="post" action="/act/${action}"${asks}>${hidden}<button class="small ${mood}"${label !== undefined && html` aria-label="${label}"`}>${text}</button></form>`;
}

/** A word of a command line, quoted where a shell would read it otherwise. */
function shellWord(text: string): string {
  return /^[\w./:@%+,=-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** How to cancel a task by a command, for who has no button: nobody is signed in. */
export function cancelHint(taskId: string | undefined): Markup {
  const command = `muster task cancel ${taskId === undefined ? "<id>" : shellWord(taskId)}`;
  return html`<p class="quiet small hint">To cancel ${taskId === undefined ? "a task" : "it"}: <code>${command}</code>, or sign in here for a button.</p>`;
}

/** Links to the pages before and after. */
export function pager(links: readonly (readonly [text: string, href: string | undefined])[]): Markup {
  const shown = links.filter(([, href]) => href !== undefined);
  if (shown.length === 0) return html``;
  return html`<nav class="pager" aria-label="Parts of the list">${shown.map(([text, href]) => html`<a class="button small" href="${href}">${text}</a>`)}</nav>`;
}

/** An address with a query. Fields that are empty are left out. */
export function link(path: string, query: Readonly<Record<string, string | number | undefined>> = {}): string {
  const fields = Object.entries(query).flatMap(([name, value]) =>
    value === undefined || value === "" ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  );
  return fields.length === 0 ? path : `${path}?${fields.join("&")}`;
}

/** The page of one task. */
export function taskHref(taskId: string): string {
  return link("/task", { id: taskId });
}

/** A link to a task. */
export function taskLink(taskId: string): Markup {
  return html`<a class="mono" href="${taskHref(taskId)}">${taskId}</a>`;
}
