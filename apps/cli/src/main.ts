import { enableCompileCache } from "node:module";

// Before anything else is loaded: a command is then there in two thirds of the time.
enableCompileCache();
const { runCli } = await import("./run_cli.ts");

/** A command that has failed waits so long for what is still open, ms. */
const LEFT_OPEN_MS = 250;

process.exitCode = await runCli(process.argv.slice(2));
// A server that took the connection and says nothing would hold the process through the client's open socket.
if (process.exitCode !== 0) setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
