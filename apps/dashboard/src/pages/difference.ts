import type { SourceProblem } from "@muster/app/configuration";
import type { ConfigurationChange } from "@muster/tasks/operate";
import { count, counted } from "../markup/format.ts";
import { html, type Markup } from "../markup/html.ts";
import { pageHead } from "../markup/parts.ts";

/** Mistakes that are told one by one. */
const TOLD = 50;
/** Differences that are shown. */
const SHOWN = 500;

/** A configuration that can be applied, seen from the one in force. */
export interface Difference {
  readonly yaml: string;
  readonly revision: number;
  readonly changes: readonly ConfigurationChange[];
  /** Of each VO that is removed: how many of its tasks wait, which are dropped. */
  readonly dropped: ReadonlyMap<string, number>;
  /** What is probably a mistake and can be applied all the same. */
  readonly warnings: readonly SourceProblem[];
}

function problemList(problems: readonly SourceProblem[]): Markup {
  const lines = problems
    .slice(0, TOLD)
    .map(
      ({ line, column, text }) =>
        html`<li><span class="quiet nowrap">line ${line}, column ${column}:</span> ${text}</li>`,
    );
  const more = problems.length > TOLD && html`<li>and ${count(problems.length - TOLD)} more</li>`;
  return html`<ul>${lines}${more}</ul>`;
}

function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function lineOf(change: ConfigurationChange, dropped: Difference["dropped"]): Markup {
  if (change.kind === "vo added") return html`<li class="plus">+ vos.${change.vo}</li>`;
  if (change.kind !== "changed") {
    const waiting = dropped.get(change.vo) ?? 0;
    return html`<li class="minus">- vos.${change.vo}: the VO is removed${waiting > 0 && html`; ${counted(waiting, "waiting task")} of it ${waiting === 1 ? "is" : "are"} dropped`}</li>`;
  }
  const { path, before, after } = change;
  const name = path.join(".");
  return html`${before !== undefined && html`<li class="minus">- ${name}: ${valueText(before)}</li>`}${after !== undefined && html`<li class="plus">+ ${name}: ${valueText(after)}</li>`}`;
}

/** The difference that an apply would make, with the button that makes it. */
export function differencePage({ yaml, revision, changes, dropped, warnings }: Difference): Markup {
  if (changes.length === 0) {
    return html`${pageHead("No difference")}<p>It says what is in force. <a href="/configuration">Back</a></p>`;
  }
  const more =
    changes.length > SHOWN && html`<p class="quiet">and ${counted(changes.length - SHOWN, "more change")}</p>`;
  return html`${pageHead(counted(changes.length, "change"), html`<p class="quiet">seen from revision ${revision}</p>`)}<div class="stack">${warnings.length > 0 && html`<section class="notice" aria-label="Doubtful">${problemList(warnings)}</section>`}<section class="card flush"><ul class="difference">${changes.slice(0, SHOWN).map((change) => lineOf(change, dropped))}</ul></section>${more}
<form class="acts" method="post" action="/act/config.apply"><input type="hidden" name="revision" value="${revision}"><textarea class="hidden" name="yaml" aria-label="The configuration" tabindex="-1" readonly>${yaml}</textarea><button class="main">Apply</button><a class="button" href="/configuration">Back</a></form></div>`;
}

/** What is wrong in a text that was to be a configuration, with the text to mend. */
export function wrongConfigurationPage(yaml: string, problems: readonly SourceProblem[]): Markup {
  return html`${pageHead("It cannot be used")}<div class="stack"><section class="notice bad">${problemList(problems)}</section>
<section class="card"><form method="post" action="/configuration/difference" enctype="multipart/form-data"><label>Mend it here<textarea name="yaml" spellcheck="false">${yaml}</textarea></label><p></p><div class="acts row"><button class="main">Show the difference</button><a class="button" href="/configuration">Back</a></div></form></section></div>`;
}
