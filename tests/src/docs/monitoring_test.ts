import test from "ava";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import { documentedMetrics, metricOf, promtool } from "../support/metrics.ts";
import { ROOT } from "./markdown.ts";

const known = await documentedMetrics();
/** Labels that Prometheus adds. */
const ADDED = ["job", "instance", "le"];

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity?: string };
  readonly annotations: { readonly summary?: string; readonly description?: string; readonly runbook?: string };
}

const { groups }: { groups: readonly { readonly rules: readonly Rule[] }[] } = parse(
  await readFile(join(ROOT, "infra", "prometheus", "rules.yml"), "utf8"),
);
const rules = groups.flatMap((group) => group.rules);

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard: {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
} = JSON.parse(await readFile(join(ROOT, "infra", "grafana", "dashboard.json"), "utf8"));

function wordsIn(list: string): string[] {
  return list.match(/\w+/g) ?? [];
}

/** What is wrong with a query: metrics that Muster does not have, and labels that they do not have. */
function problemsOf(query: string): string[] {
  const problems: string[] = [];
  const labels = new Set(ADDED);
  for (const [, series = "", matchers = ""] of query.matchAll(/\b(muster_\w+)(?:\{([^}]*)\})?/g)) {
    const own = known.get(metricOf(series, known));
    if (own === undefined) problems.push(`there is no ${series}`);
    for (const label of own ?? []) labels.add(label);
    for (const [, label = ""] of matchers.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
      if (own !== undefined && ![...own, ...ADDED].includes(label)) problems.push(`${series} has no label ${label}`);
    }
  }
  for (const [, list = ""] of query.matchAll(/\b(?:by|on|group_left|label_values)\s*\(([^)]*)\)/g)) {
    for (const label of wordsIn(list)) {
      if (!labels.has(label) && !label.startsWith("muster_")) problems.push(`nothing here has the label ${label}`);
    }
  }
  return problems;
}

test("a query with a metric or a label that there is not is found", (t) => {
  t.deepEqual(problemsOf('sum by (task) (rate(muster_task_steps_total{step="done"}[5m]))'), []);
  t.deepEqual(problemsOf("muster_task_duration_seconds_bucket"), []);
  t.deepEqual(problemsOf("muster_nonsense"), ["there is no muster_nonsense"]);
  t.deepEqual(problemsOf('muster_ready{task="a"}'), ["muster_ready has no label task"]);
  t.deepEqual(problemsOf("max by (ce) (muster_ready)"), ["nothing here has the label ce"]);
});

test("alert rules ask for metrics and labels that there are, and say what to do", (t) => {
  t.true(rules.length >= 10);
  for (const { alert, expr, labels, annotations } of rules) {
    t.deepEqual(problemsOf(expr), [], alert);
    t.regex(labels.severity ?? "", /^(?:page|ticket|note)$/, alert);
    const { summary = "", description = "" } = annotations;
    t.true(summary !== "" && description.length > 20, alert);
    const grouped = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => wordsIn(list));
    for (const [, label = ""] of summary.matchAll(/\$labels\.(\w+)/g))
      t.true(grouped.includes(label), `${alert}: ${label}`);
  }
});

test("each alert leads to the runbook that names it, and a runbook names no alert that does not lead there", async (t) => {
  const folder = "docs/how-to/runbooks";
  const names = (await readdir(join(ROOT, folder))).filter((name) => name !== "README.md");
  const read = async (name: string) => await readFile(join(ROOT, folder, name), "utf8");
  const pages = new Map<string, string>();
  for (const name of names) pages.set(`${folder}/${name}`, await read(name));
  for (const { alert, annotations } of rules) {
    const page = pages.get(annotations.runbook ?? "") ?? "";
    t.true(
      page.includes(`- \`${alert}\`: `),
      `${alert} leads to ${annotations.runbook}, which does not say how it is noticed`,
    );
  }
  const known = new Set(rules.map(({ alert }) => alert));
  const named = [...pages].flatMap(([page, text]) =>
    [...text.matchAll(/`(Muster[A-Z]\w+)`/g)].map(([, alert = ""]) => ({ page, alert })),
  );
  for (const { page, alert } of named) t.true(known.has(alert), `${page} names ${alert}, and there is no such alert`);
  const index = await read("README.md");
  for (const { alert } of rules) t.true(index.includes(`\`${alert}\``), alert);
  for (const name of names) t.true(index.includes(`(${name})`), name);
});

test("the dashboard asks for metrics and labels that there are, and shows each of Muster's metrics but one", (t) => {
  const panels = dashboard.panels.filter(({ targets = [] }) => targets.length > 0);
  t.true(panels.length > 20);
  const queries = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
  for (const { title, expr } of queries) t.deepEqual(problemsOf(expr), [], title);
  for (const { name, definition = "" } of dashboard.templating.list) t.deepEqual(problemsOf(definition), [], name);
  const shown = new Set(
    queries.flatMap(({ expr }) => expr.match(/\bmuster_\w+/g) ?? []).map((name) => metricOf(name, known)),
  );
  // Which tasks a scheduler leads is on its /readyz.
  t.deepEqual(
    [...known.keys()].filter((name) => !shown.has(name)),
    ["muster_scheduler_leads_task"],
  );
});

test("promtool, where it is, finds the rules right, and each alert fires where it must and in no sound system", async (t) => {
  for (const args of [
    ["check", "rules", "rules.yml"],
    ["test", "rules", "rules_test.yml"],
    ["check", "config", "prometheus.yml"],
  ]) {
    const told = await promtool(args);
    if (told === undefined) t.log("there is no promtool here; Debian has it in the package prometheus");
    t.is(told?.code ?? 0, 0, told?.said);
  }
});
