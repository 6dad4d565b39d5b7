/** Name, meaning and labels of a metric. */
export interface Metric {
  /** Name in Prometheus' form: `muster_tasks_started_total`. */
  readonly name: string;
  /** One sentence. */
  readonly help: string;
  /** Names of its labels; default none. */
  readonly labels?: readonly string[];
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Labels as they are printed: `task="MyPilotTask",outcome="done"`. A value that is missing is empty. */
export function printLabels(names: readonly string[], values: readonly string[]): string {
  return names.map((name, at) => `${name}="${escapeLabel(values[at] ?? "")}"`).join(",");
}

/** One line of Prometheus' text. */
export function sample(name: string, labels: string, value: number): string {
  return `${name}${labels === "" ? "" : `{${labels}}`} ${value}\n`;
}
