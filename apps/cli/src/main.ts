import { enableCompileCache } from "node:module";

// Before anything else is loaded: a command is then there in two thirds of the time.
enableCompileCache();
const { createProgram } = await import("./program.ts");
const { describeFailure, exitCodeOf, isTold } = await import("./run/failure.ts");

try {
  await createProgram().parseAsync();
} catch (error) {
  if (!isTold(error)) console.error(describeFailure(error));
  process.exitCode = exitCodeOf(error);
}
