import { provisionNatsCli } from "@muster/local";
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/**
 * Runs the real `nats` command line against a server, and returns what it prints: results first, then what it says of them. On a machine
 * without one it is undefined, and `why` gives the reason.
 */
export async function findNatsCli(
  url: string,
): Promise<{ readonly run: ((...args: string[]) => Promise<string>) | undefined; readonly why: string }> {
  const cli = await provisionNatsCli(() => {});
  if (cli.path === undefined) {
    return { run: undefined, why: cli.refusals.map(({ source, reason }) => `${source}: ${reason}`).join("; ") };
  }
  const { path } = cli;
  const env = { HOME: "/nonexistent", PATH: "" };
  async function run(...args: string[]): Promise<string> {
    const { stdout, stderr } = await execute(path, ["--server", url, ...args], { env });
    return stdout + stderr;
  }
  return { run, why: "" };
}
