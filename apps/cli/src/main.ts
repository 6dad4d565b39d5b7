import { enableCompileCache } from "node:module";

// Before anything else is loaded: a command is then there in two thirds of the time.
enableCompileCache();
const { createProgram } = await import("./program.ts");
const { complain, describeFailure, exitCodeOf, isTold } = await import("./run/failure.ts");

/** A command that has failed waits so long for what is still open, ms. */
const LEFT_OPEN_MS = 250;

try {
  await createProgram().parseAsync();
} catch (error) {
  if (!isTold(error)) complain(describeFailure(error));
  process.exitCode = exitCodeOf(error);
  // A server that took the connection and says nothing would hold the process through the client's open socket.
  setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
}
