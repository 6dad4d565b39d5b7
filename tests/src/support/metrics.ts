import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** The workspace. */
const ROOT = join(import.meta.dirname, "..", "..", "..");

/** Names of metrics, and the names of the labels of each. */
export type MetricLabels = ReadonlyMap<string, readonly string[]>;

/** The metrics of the reference, with the labels that it names. */
export async function documentedMetrics(): Promise<MetricLabels> {
  const page = await readFile(join(ROOT, "docs", "reference", "events-and-metrics.md"), "utf8");
  const rows = page.split("\n").filter((line) => line.startsWith("| `muster_"));
  return new Map(
    rows.map((row) => {
      const [name = "", , labels = ""] = row
        .split("|")
        .slice(1)
        .map((cell) => cell.trim());
      return [name.replaceAll("`", ""), labels.match(/\w+/g) ?? []];
    }),
  );
}

/** The metric that a series belongs to: that of `_bucket`, `_sum` and `_count` is their histogram. */
export function metricOf(series: string, known: MetricLabels): string {
  const histogram = series.replace(/_(?:bucket|sum|count)$/, "");
  return known.has(series) || !known.has(histogram) ? series : histogram;
}

/** Muster's own metrics in a scrape, by their `# TYPE`, and the labels that their series have. */
export function scrapedMetrics(scraped: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, name = ""] of scraped.matchAll(/^# TYPE (muster_\w+) /gm)) found.set(name, new Set());
  for (const [, series = "", labels = ""] of scraped.matchAll(/^(muster_\w+)(?:\{(.*)\})? /gm)) {
    const of = found.get(series) ?? found.get(series.replace(/_(?:bucket|sum|count)$/, ""));
    for (const [, label = ""] of labels.matchAll(/(\w+)="/g)) if (label !== "le") of?.add(label);
  }
  return found;
}

/** What `promtool` says of `input`, and its exit code; undefined where this machine has none. */
export async function promtool(
  args: readonly string[],
  input = "",
): Promise<{ code: number; said: string } | undefined> {
  const child = spawn("promtool", args, { cwd: join(ROOT, "infra", "prometheus"), stdio: "pipe" });
  try {
    await once(child, "spawn");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const closed = once(child, "close");
  child.stdin.end(input);
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const [code] = await closed;
  return { code, said: said + complained };
}
