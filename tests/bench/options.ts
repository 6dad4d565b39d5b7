import { parseArgs } from "node:util";
import { rowNames } from "./rows/experiments.ts";
import { FULL, QUICK, type Sizes } from "./run/sizes.ts";

export const USAGE = `Usage: npm run bench -- [options]

Measures Muster beside its peers on this machine, several rounds in turn, and prints medians and ratios.

  --only ROWS     only these rows, separated by commas: ${rowNames().join(", ")}
  --quick         fewer rounds and smaller loads: a look in place of a measurement
  --rounds N      rounds of each row
  --json          print one JSON document in place of the tables
  --page          also put them into docs/reference/performance.md, beside the rows measured before
  --profile DIR   let Muster's processes write CPU profiles there
  --help          print this

Example: npm run bench -- --only drain,publish --quick`;

export interface Options {
  readonly sizes: Sizes;
  /** Rows to measure; empty: all. */
  readonly only: readonly string[];
  readonly format: "table" | "json";
  /** Whether the page of the documentation is drawn again. */
  readonly page: "drawn" | "left";
  /** Folder for CPU profiles. */
  readonly profiles: string | undefined;
}

/** Reads the command line; undefined: it asks for help. Throws what is wrong with it, and the allowed values. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      json: { type: "boolean", default: false },
      page: { type: "boolean", default: false },
      profile: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const only = values.only.split(",").filter((name) => name !== "");
  const unknown = only.filter((name) => !rowNames().includes(name));
  if (unknown.length > 0) {
    throw new TypeError(`Cannot measure ${unknown.join(", ")}: no such row; use some of ${rowNames().join(", ")}`);
  }
  const sizes = values.quick ? QUICK : FULL;
  const rounds = values.rounds === undefined ? sizes.rounds : Number(values.rounds);
  if (!(Number.isInteger(rounds) && rounds > 0)) {
    throw new RangeError(`Cannot measure ${values.rounds} rounds: give a whole number from 1`);
  }
  return {
    sizes: { ...sizes, rounds },
    only,
    format: values.json ? "json" : "table",
    page: values.page ? "drawn" : "left",
    profiles: values.profile,
  };
}
