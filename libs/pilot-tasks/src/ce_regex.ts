import { Script } from "node:vm";
import * as z from "zod";

/** Longest regular expression, characters. */
const MAX_LENGTH = 200;
/** Longest time for all names of one round, ms. An expression that runs away is stopped then. */
const MATCH_MS = 200;

/** An expression that means whole names, whatever stands in it. CEs' names are in lower case. */
function compile(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`, "iu");
}

/** The text of a regular expression that a CE's whole name must match, in upper or lower case. */
export const CeRegex = z
  .string()
  .min(1)
  .max(MAX_LENGTH)
  .superRefine((pattern, context) => {
    try {
      new RegExp(pattern, "iu"); // by itself first: `a)(b` fits into the parentheses around it
      compile(pattern);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      context.addIssue({ code: "custom", message: `it is no regular expression: ${reason}` });
    }
  });

/** A regular expression took too long over the names of the CEs. */
export class SlowCeRegexError extends Error {
  override readonly name = "SlowCeRegexError";
  readonly ceRegex: string;
  constructor(ceRegex: string, cause: unknown) {
    super(
      `Cannot choose CEs by ceRegex ${JSON.stringify(ceRegex)}: it took longer than ${MATCH_MS} ms; ` +
        "write one without a repetition inside a repetition, such as (a+)+",
      { cause },
    );
    this.ceRegex = ceRegex;
  }
}

/** Only V8's own limit of time stops an expression that backtracks for ever, and only a script has one. */
const FILTER = new Script("names.filter((name) => regex.test(name))");

/**
 * Those of `names` that `pattern` matches from beginning to end. Throws {@linkcode SlowCeRegexError} after 200 ms, for which the thread
 * stands still.
 */
export function matchingCes(names: readonly string[], pattern: string): ReadonlySet<string> {
  const context = { names, regex: compile(pattern) };
  let matching: unknown;
  try {
    matching = FILTER.runInNewContext(context, { timeout: MATCH_MS });
  } catch (error) {
    // The error comes from the script's own realm, where `Error` is another one.
    const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
    throw code === "ERR_SCRIPT_EXECUTION_TIMEOUT" ? new SlowCeRegexError(pattern, error) : error;
  }
  return new Set(matching as readonly string[]);
}
