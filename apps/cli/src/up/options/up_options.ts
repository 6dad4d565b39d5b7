import { InvalidArgumentError } from "commander";

/** Options of `muster up`. */
export interface UpOptions {
  /** Time from readiness until it stops by itself, s. By default it runs until it is told to stop. */
  readonly for?: number;
  /** Folder of the streams, the database and the logs. */
  readonly dataDir: string;
  /** Port of the nats-server; 0: any free port. */
  readonly natsPort: number;
  /** Port of PostgreSQL; 0: any free port. */
  readonly postgresPort: number;
  /** Port of the first app's health and metrics. The other apps use the ports after it; 0: any free ports. */
  readonly httpPort: number;
  /** Port of the dashboard; 0: any free port. Left out: 7450, and any free one where `httpPort` is 0. */
  readonly dashboardPort?: number;
  /** The CEs that stay, where names of CEs differ only by case. */
  readonly keepCe?: readonly string[];
}

/** Reads a port. Throws commander's InvalidArgumentError. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a whole number from 0 to 65535; 0 stands for any free one.");
}

/** Reads the first of the five ports of the apps. Throws commander's InvalidArgumentError. */
export function parseFirstPort(text: string): number {
  const port = parsePort(text);
  if (port <= 65_535 - 4) return port;
  throw new InvalidArgumentError("The first app's port is 65531 at most: four others follow.");
}

/** Reads a number of seconds, at most a week. Throws commander's InvalidArgumentError. */
export function parseSeconds(text: string): number {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= 604_800) return seconds;
  throw new InvalidArgumentError("Seconds are a number from 0 to 604800, e.g. 60.");
}
