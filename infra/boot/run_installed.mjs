import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Signals that ask a command to end. One that reaches this process is passed on to the command. */
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs a program of `node_modules/.bin` on our own terminal, and ends with its exit code.
 *
 * The channel between the two processes tells a Node.js program when this process was killed, so that it can end too.
 * @param {string} root the workspace's folder
 * @param {string} program e.g. `node`, which is the Node.js that the workspace pins
 * @param {readonly string[]} args
 */
export function runInstalled(root, program, args) {
  const file = join(root, "node_modules", ".bin", program);
  if (!existsSync(file)) {
    throw new Error(`Cannot run Muster: ${file} is missing, so the workspace is not installed; run npm start once`);
  }
  const child = spawn(file, args, { stdio: ["inherit", "inherit", "inherit", "ipc"] });
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    console.error(`Cannot run ${file}: ${error.message}`);
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
