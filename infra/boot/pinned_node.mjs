import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The signals that ask a command to end; whoever sends one to us means the command. */
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs `args` with the Node.js that the workspace pins, on our own terminal, and ends as it ends.
 *
 * The channel between the two tells the command when we were killed, so that it can end too.
 * @param {string} root the workspace's folder
 * @param {readonly string[]} args of Node.js: the script, and what is for the script
 */
export function runPinned(root, args) {
  const node = join(root, "node_modules", ".bin", "node");
  if (!existsSync(node)) {
    throw new Error(`Cannot run Muster: ${node} is missing, so the workspace is not installed; run npm start once`);
  }
  const child = spawn(node, args, { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`Cannot run ${node}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exitCode = code ?? 1;
      return;
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
