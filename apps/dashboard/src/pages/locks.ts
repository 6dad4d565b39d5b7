import { ago, count, counted, duration } from "../markup/format.ts";
import { html } from "../markup/html.ts";
import { actionButton, link, pageHead, table, tag, taskLink } from "../markup/parts.ts";
import type { LocksData } from "../read/shapes.ts";
import { type Page, textIn } from "./page.ts";

/** Keys that are shown. */
const SHOWN = 300;

const KINDS: Readonly<Record<string, string>> = {
  mutex: "mutex",
  rw: "read-write",
  concurrency: "concurrency",
  rate: "rate",
  foreign: "stored by hand",
  pattern: "pattern",
};

type Lock = LocksData["locks"][number];

function holders({ leases, begun, value, kind }: Lock) {
  if (kind === "foreign" || kind === "pattern") return html`<code>${value}</code>`;
  if (kind === "rate") return `${counted(begun ?? 0, "task")} in its window`;
  if (leases.length === 0) return html`<span class="quiet">free</span>`;
  return leases.map(
    ({ worker, taskId, mode, leftMs, since }) =>
      html`<div class="small">${mode !== null && html`${mode}, `}${worker}, since ${ago(since)}, <span class="nowrap">${duration(leftMs)} left</span><br>${taskLink(taskId)}</div>`,
  );
}

/** Locks and limiters: who holds what, and who waits. */
export const locksPage: Page = {
  path: "/locks",
  nav: "/locks",
  everyMs: 2_000,
  async make(reads, query) {
    const { locks } = await reads.locks();
    const wanted = textIn(query, "key");
    const found = wanted === undefined ? locks : locks.filter(({ key }) => key.includes(wanted));
    const sorted = [...found].sort((a, b) => b.waiting - a.waiting || b.leases.length - a.leases.length);
    return {
      title: "Locks",
      main: html`${pageHead("Locks and limiters", html`<p class="quiet">${counted(locks.length, "key")} in use</p>`)}<div class="stack"><form class="row" method="get" action="/locks"><label class="wide">Key<input type="search" name="key" value="${wanted}"></label><button>Filter</button></form>${table(
        {
          caption: "Locks and limiters",
          columns: [
            { title: "Key", kind: "bare" },
            { title: "Kind" },
            { title: "Held by" },
            { title: "Tasks that wait", kind: "number" },
            { title: "Actions", kind: "act" },
          ],
          rows: sorted.slice(0, SHOWN).map((lock) => ({
            key: lock.key,
            cells: [
              html`<span class="mono">${lock.key}</span>`,
              lock.kind === "foreign" ? tag("stored by hand", "bad") : (KINDS[lock.kind] ?? lock.kind),
              holders(lock),
              count(lock.waiting),
              actionButton({
                ...{
                  action: "lock.release",
                  text: "Release",
                  label: `Release ${lock.key}`,
                  fields: { key: lock.key },
                  mood: "danger",
                },
                question: `Free ${lock.key}? The runs that hold it lose it and are aborted.`,
              }),
            ],
          })),
          empty:
            wanted === undefined
              ? {
                  title: "No lock is held",
                  text: html`Keys stand here while a task holds them or waits for them: those that its definition names, and limits. Limit a task by <code>concurrency</code> or <code>rate</code> in the <a href="/configuration">configuration</a>, or by <code>muster config apply</code>.`,
                }
              : { title: "No key in use has this", text: html`<a href="${link("/locks")}">Show all</a>` },
        },
      )}${sorted.length > SHOWN && html`<p class="quiet">${counted(sorted.length - SHOWN, "more key")} not shown; narrow them by their key.</p>`}</div>`,
    };
  },
};
