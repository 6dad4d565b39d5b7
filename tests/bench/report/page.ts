import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { drawChart } from "./chart.ts";
import type { RunDescription } from "./machine.ts";
import { short } from "./numbers.ts";
import { CHARTS, type ChartName, isMet, type Line, type RowReport, type Target } from "./report.ts";
import { median } from "./statistics.ts";

/** A row and the run that measured it. */
export interface MeasuredRow extends RowReport {
  readonly run: RunDescription;
}

const BEGIN = "<!-- bench: what follows is drawn by `npm run bench -- --page`; a change here is lost -->";
const END = "<!-- bench: end -->";

function targetCells(target: Target): string {
  const { name, ratio, atLeast, atMost } = target;
  const bound = atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
  return `| ${name} | ${isMet(target) ? short(ratio) : `**${short(ratio)}**`} | ${bound} | ${isMet(target) ? "met" : "missed"} |`;
}

function targetTable(rows: readonly MeasuredRow[]): string[] {
  return [
    "| what | ratio | must be | |",
    "|---|---|---|---|",
    ...rows.flatMap(({ targets }) => targets.map(targetCells)),
  ];
}

function rowSection({ row, title, durability, figures, notes, run }: MeasuredRow): string[] {
  const lines = figures.map(({ contender, what, unit, rounds }) => {
    const range = rounds.length > 1 ? `${short(Math.min(...rounds))} to ${short(Math.max(...rounds))}` : "";
    return `| ${contender} | ${what} | ${short(median(rounds))} ${unit} | ${range} |`;
  });
  const at = `${run.startedAt.slice(0, 16).replace("T", " ")} UTC${run.commit === undefined ? "" : `, commit ${run.commit}`}`;
  return [
    `### ${row}`,
    "",
    `${title[0]?.toUpperCase()}${title.slice(1)}. Durability: ${durability}. Measured ${at}; load ${run.load} at the end.`,
    "",
    "| | figure | median | range |",
    "|---|---|---|---|",
    ...lines,
    ...notes.flatMap((note) => ["", `${note[0]?.toUpperCase()}${note.slice(1)}.`]),
    "",
  ];
}

function render(rows: readonly MeasuredRow[], charts: readonly ChartName[]): string {
  const run = rows[0]?.run;
  const machine = run === undefined ? "" : `${run.cores} cores (${run.processor}), Node.js ${run.node}`;
  return [
    BEGIN,
    "",
    `Measured on ${machine}, all processes and servers on this one machine.`,
    "",
    ...targetTable(rows),
    "",
    "## How cost grows",
    "",
    ...charts.flatMap((chart) => [`![${CHARTS[chart].title}](performance/${chart}.svg)`, ""]),
    "## Row by row",
    "",
    ...rows.filter(({ lines }) => lines === undefined).flatMap(rowSection),
    END,
  ].join("\n");
}

async function readRows(file: string): Promise<readonly MeasuredRow[]> {
  const text = await readFile(file, "utf8").catch(() => "[]"); // the first page has no data yet
  return JSON.parse(text);
}

function replaceBlock(page: string, block: string): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) return `${page.trimEnd()}\n\n${block}\n`;
  return page.slice(0, begin) + block + page.slice(end + END.length);
}

/**
 * Replaces the rows of the page's data by newer ones, and draws the page's tables and charts from all data. Text that people wrote around
 * them stays.
 *
 * `order` names the rows in the order of the page.
 */
export async function drawPage(
  folder: string,
  measured: readonly MeasuredRow[],
  order: readonly string[],
): Promise<void> {
  const pictures = join(folder, "performance");
  await mkdir(pictures, { recursive: true });
  const dataFile = join(pictures, "data.json");
  const known = new Map([...(await readRows(dataFile)), ...measured].map((row) => [row.row, row]));
  const rows = order.flatMap((name) => known.get(name) ?? []);
  await writeFile(dataFile, `${JSON.stringify(rows, null, 1)}\n`);

  const lines = rows.flatMap((row) => row.lines ?? []);
  const charts = Map.groupBy(lines, ({ chart }) => chart);
  for (const [chart, own] of charts)
    await writeFile(join(pictures, `${chart}.svg`), drawChart(chart, own satisfies Line[]));
  const pageFile = join(folder, "performance.md");
  const page = await readFile(pageFile, "utf8").catch(() => "# Performance\n"); // there is no page yet
  await writeFile(pageFile, replaceBlock(page, render(rows, [...charts.keys()])));
}
