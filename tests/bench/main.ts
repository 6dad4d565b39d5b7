// The program behind `npm run bench`.
import { join } from "node:path";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { describeRun } from "./report/machine.ts";
import { drawPage } from "./report/page.ts";
import type { RowReport } from "./report/report.ts";
import { printRow, printSummary } from "./report/table.ts";
import { choose, rowNames } from "./rows/experiments.ts";
import { openBench } from "./run/bench.ts";
import { ROOT } from "./servers/places.ts";
import { openServers } from "./servers/servers.ts";

function tell(line: string): void {
  console.error(`bench: ${line}`);
}

/** Flags with which a process of Muster writes a profile when it ends. */
function profileFlags(folder: string | undefined, name: string): readonly string[] {
  if (folder === undefined || !name.startsWith("muster")) return [];
  return ["--cpu-prof", "--cpu-prof-interval=200", `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}.cpuprofile`];
}

async function measure({ sizes, only, format, profiles }: Options): Promise<readonly RowReport[]> {
  await using servers = await openServers(tell);
  const rows: RowReport[] = [];
  for (const { run, durability } of choose(only)) {
    const flags = (name: string) => profileFlags(profiles, name);
    await using bench = openBench({ sizes, servers, durability, flags, progress: tell });
    for (const report of await run(bench)) {
      if (only.length > 0 && !only.includes(report.row)) continue;
      rows.push(report);
      if (format === "table") console.log(printRow(report));
    }
  }
  return rows;
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(USAGE);
    return;
  }
  const startedAt = new Date();
  const rows = await measure(options);
  const run = await describeRun(startedAt);
  const targets = rows.flatMap((row) => row.targets);
  if (options.page === "drawn") {
    const measured = rows.map((row) => ({ ...row, run }));
    await drawPage(join(ROOT, "docs", "reference"), measured, rowNames());
  }
  if (options.format === "json") console.log(JSON.stringify({ ...run, sizes: options.sizes, targets, rows }, null, 2));
  else console.log(printSummary(targets));
}

await main();
