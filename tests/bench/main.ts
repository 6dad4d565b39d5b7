// What `npm run bench` runs.
import { parseOptions, USAGE } from "./options.ts";
import { openBench } from "./run/bench.ts";
import { choose } from "./rows/experiments.ts";
import { describeRun } from "./report/machine.ts";
import type { RowReport } from "./report/report.ts";
import { printRow, printSummary } from "./report/table.ts";
import { openServers } from "./servers/servers.ts";

function tell(line: string): void {
  console.error(`bench: ${line}`);
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    console.log(USAGE);
    return;
  }
  const { sizes, only, format, profiles } = options;
  const startedAt = new Date();
  await using servers = await openServers(tell);
  const rows: RowReport[] = [];
  for (const { run, durability } of choose(only)) {
    const flags = (name: string) =>
      profiles === undefined || !name.startsWith("muster")
        ? []
        : ["--cpu-prof", "--cpu-prof-interval=200", `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name}.cpuprofile`];
    await using bench = openBench({ sizes, servers, durability, flags, progress: tell });
    for (const report of await run(bench)) {
      if (only.length > 0 && !only.includes(report.row)) continue;
      rows.push(report);
      if (format === "table") console.log(printRow(report));
    }
  }
  const targets = rows.flatMap((row) => row.targets);
  if (format === "json")
    console.log(JSON.stringify({ ...(await describeRun(startedAt)), sizes, targets, rows }, null, 2));
  else console.log(printSummary(targets));
}

await main();
