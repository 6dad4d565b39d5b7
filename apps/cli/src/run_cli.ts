import { createProgram } from "./program.ts";
import { bounded } from "./run/bounded.ts";
import { complain, describeFailure, exitCodeOf, isTold } from "./run/failure.ts";
import { sendTraces } from "./run/tracing.ts";

/** Runs one `muster` command, reports an error, and returns the exit code. */
export async function runCli(args: readonly string[]): Promise<number> {
  try {
    await (await createProgram(args)).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (!isTold(error)) complain(bounded(describeFailure(error), args));
    return exitCodeOf(error);
  } finally {
    await sendTraces();
  }
}
