import { Command } from "commander";
import { type OutputOptions, print } from "../print/output.ts";
import { FailedError } from "../run/failure.ts";
import { examine } from "./examine.ts";
import type { Finding } from "./finding.ts";

const EXAMPLES = `
Examples:
  muster doctor
  muster doctor --json | jq '.findings[] | select(.state != "good")'`;

const SIGNS = { good: "ok  ", warning: "WARN", bad: "BAD " } as const;

function show(findings: readonly Finding[]): string {
  return findings.map(({ state, about, text }) => `${SIGNS[state]}  ${about}: ${text}`).join("\n");
}

/** `muster doctor`: says whether everything is well, and what is wrong. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description(
      "check servers, streams, clocks, scheduler, workers and dead letters; exits with 1 if something is bad",
    )
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(async (options: OutputOptions) => {
      const findings = await examine();
      print({ findings }, options, () => show(findings));
      if (findings.some(({ state }) => state === "bad")) throw new FailedError("Something is bad");
    });
}
