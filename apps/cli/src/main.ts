import { enableCompileCache } from "node:module";

// This stands before all other imports. A command then starts in two thirds of the time.
enableCompileCache();
const { runCli } = await import("./run_cli.ts");

/** Longest time that a failed command waits for open connections, ms. */
const LEFT_OPEN_MS = 250;

process.exitCode = await runCli(process.argv.slice(2));
// A server that accepted the connection and stays silent would keep the process alive through the client's open socket.
if (process.exitCode !== 0) setTimeout(() => process.exit(), LEFT_OPEN_MS).unref();
