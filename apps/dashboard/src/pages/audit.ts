import { ago, cut } from "../markup/format.ts";
import { html } from "../markup/html.ts";
import { link, pageHead, pager, table } from "../markup/parts.ts";
import { numberIn, type Page, textIn } from "./page.ts";

/** Characters of a detail that are shown. */
const DETAIL = 300;

/** Who did what. */
export const auditPage: Page = {
  path: "/audit",
  nav: "/audit",
  everyMs: 3_000,
  async make(reads, query) {
    const filter = { action: textIn(query, "action"), who: textIn(query, "who"), target: textIn(query, "target") };
    const before = numberIn(query, "before");
    const { records, next } = await reads.audit({ ...filter, before });
    const { action, who, target } = filter;
    const links = [
      ["Newest", before === undefined ? undefined : link("/audit", filter)],
      ["Older", next === null ? undefined : link("/audit", { ...filter, before: next })],
    ] as const;
    return {
      title: "Who did what",
      main: html`${pageHead("Who did what", html`<p class="quiet">kept for 400 days</p>`)}<div class="stack"><form class="row" method="get" action="/audit"><label>Who<input name="who" value="${who}"></label><label>Action<input name="action" value="${action}" placeholder="queue"></label><label class="wide">To what<input type="search" name="target" value="${target}"></label><button>Filter</button></form>${table(
        {
          caption: "Who did what, the newest first",
          columns: [{ title: "When" }, { title: "Who" }, { title: "Did" }, { title: "To what" }, { title: "Details" }],
          rows: records.map((record) => ({
            key: String(record.sequence),
            cells: [
              html`<span class="nowrap">${ago(record.at)}</span>`,
              html`${record.who}<br><span class="small quiet">${record.from}</span>`,
              html`<code>${record.action}</code>`,
              record.target,
              record.detail === null
                ? ""
                : html`<span class="small mono">${cut(JSON.stringify(record.detail), DETAIL)}</span>`,
            ],
          })),
          empty: Object.values(filter).some((field) => field !== undefined)
            ? {
                title: next === null ? "No record matches" : "None of the records that were looked at matches",
                text: html`<a href="/audit">Show all</a>`,
              }
            : {
                title: "Nothing was done by hand",
                text: html`Changes from this dashboard and by the muster command stand here, such as <code>muster queue pause MyPilotTask</code>.`,
              },
        },
      )}${pager(links)}</div>`,
    };
  },
};
