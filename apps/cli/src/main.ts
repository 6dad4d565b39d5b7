import { createProgram } from "./program.ts";
import { describeFailure, exitCodeOf, isTold } from "./run/failure.ts";

try {
  await createProgram().parseAsync();
} catch (error) {
  if (!isTold(error)) console.error(describeFailure(error));
  process.exitCode = exitCodeOf(error);
}
