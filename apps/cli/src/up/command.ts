import { DATA_DIR } from "@muster/service";
import { Command, Option } from "commander";
import { collect, KEEP_CE_HELP } from "../run/keep_ce.ts";
import { parseFirstPort, parsePort, parseSeconds, type UpOptions } from "./options/up_options.ts";
import { UsageError } from "../run/failure.ts";
import { runUp } from "./run_up.ts";

const EXAMPLES = `
Examples:
  muster up                         run everything until Ctrl-C
  muster up --for 60                stop after a minute, and print a summary as JSON
  muster up --data-dir /tmp/m --nats-port 0 --postgres-port 0 --http-port 0

NATS_URL, NATS_CONTEXT or DATABASE_URL in the environment are used in place of a server of its own.`;

/** Makes a parser that returns the default for an empty variable, as if it were not set. */
function orDefault(parse: (text: string) => number, usual: number): (text: string) => number {
  return (text) => (text === "" ? usual : parse(text));
}

function portOption(flags: string, description: string, usual: number): Option {
  return new Option(flags, description).default(usual).argParser(orDefault(parsePort, usual));
}

/** `muster up`: runs everything on this machine. */
export function upCommand(): Command {
  return new Command("up")
    .description("run NATS, PostgreSQL, the scheduler and the workers on this machine, and show what they do")
    .option("--for <seconds>", "stop by itself after this time, once all is ready", parseSeconds)
    .addOption(
      new Option("--data-dir <folder>", "where streams, database and logs are kept")
        .default(DATA_DIR)
        // An empty variable counts as none. It would mean the folder one stands in.
        .argParser((text) => (text === "" ? DATA_DIR : text))
        .env("MUSTER_DATA_DIR"),
    )
    .addOption(portOption("--nats-port <port>", "port of the nats-server", 4222).env("MUSTER_NATS_PORT"))
    .addOption(portOption("--postgres-port <port>", "port of PostgreSQL", 54329).env("MUSTER_POSTGRES_PORT"))
    .addOption(
      portOption("--http-port <port>", "port of the first app's health and metrics; the others follow", 7460)
        .argParser(orDefault(parseFirstPort, 7460))
        .env("MUSTER_HTTP_PORT"),
    )
    .addOption(
      new Option("--dashboard-port <port>", "port of the dashboard (default: 7450)")
        .argParser((text: string) => (text === "" ? undefined : parsePort(text)))
        .env("MUSTER_DASHBOARD_PORT"),
    )
    .option("--keep-ce <name>", KEEP_CE_HELP, collect)
    .addHelpText("after", EXAMPLES)
    .action(async (options: UpOptions) => {
      const { natsPort, postgresPort } = options;
      if (natsPort !== 0 && natsPort === postgresPort) {
        throw new UsageError(
          `--nats-port and --postgres-port are both ${natsPort}; give each server a port of its own`,
        );
      }
      await runUp(options);
    });
}
