import { html } from "../markup/html.ts";
import { pageHead } from "../markup/parts.ts";
import type { Page } from "./page.ts";

/** The configuration as a file, to be changed. */
export const configurationPage: Page = {
  path: "/configuration",
  nav: "/configuration",
  everyMs: 0,
  async make(reads) {
    const { revision, yaml, problem, unknown } = await reads.configuration(undefined);
    return {
      title: "Configuration",
      main: html`${pageHead("Configuration", html`<p class="quiet">revision ${revision}</p>`)}<div class="stack">
${problem !== null && html`<section class="notice bad"><p>${problem}</p></section>`}
${/^vos: \{\}$/m.test(yaml) && html`<section class="notice"><p>No VO takes part yet, so no task per VO comes. Add one below, or by <code>muster vo add lhcb</code>.</p></section>`}
${unknown.length > 0 && html`<section class="notice"><p>Not shown, and left as they are: fields that this version does not know: ${unknown.join(", ")}.</p></section>`}
<section class="card"><form method="post" action="/configuration/difference" enctype="multipart/form-data"><label><span>VOs, tasks and limits, as <code>muster config show</code> prints them</span><textarea name="yaml" spellcheck="false" autocomplete="off">${yaml}</textarea></label>
<p class="quiet small">All that it does not say goes back to the definitions, and VOs that it does not name are removed. The next page shows the difference; nothing is written before.</p>
<div class="row acts"><label>Or a file<input type="file" name="file" accept=".yaml,.yml,.json"></label><button class="main">Show the difference</button></div></form></section></div>`,
    };
  },
};
