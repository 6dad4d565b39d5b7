import { InvalidArgumentError } from "commander";

/** What `muster up` is told. */
export interface UpOptions {
  /** Stops by itself so many seconds after all is ready; by default it runs until it is told to stop. */
  readonly for?: number;
  /** Where streams, database and logs are kept. */
  readonly dataDir: string;
  /** Port of the nats-server; 0: any free one. */
  readonly natsPort: number;
  /** Port of PostgreSQL; 0: any free one. */
  readonly postgresPort: number;
  /** Port of the first app's health and metrics, the others follow; 0: any free ones. */
  readonly httpPort: number;
  /** Of CEs whose names differ by case only, those that stay. */
  readonly keepCe?: readonly string[];
}

/** Reads a port. Throws commander's InvalidArgumentError. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a whole number from 0 to 65535; 0 stands for any free one.");
}

/** Reads the first of the four ports of the apps. Throws commander's InvalidArgumentError. */
export function parseFirstPort(text: string): number {
  const port = parsePort(text);
  if (port <= 65_535 - 3) return port;
  throw new InvalidArgumentError("The first app's port is 65532 at most: three others follow.");
}

/** Reads a number of seconds, a week's at most. Throws commander's InvalidArgumentError. */
export function parseSeconds(text: string): number {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds <= 604_800) return seconds;
  throw new InvalidArgumentError("Seconds are a number from 0 to 604800, e.g. 60.");
}
