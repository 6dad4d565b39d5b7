import { z } from "zod";
import type { NatsVariables } from "./nats_said.ts";
import type { NatsSettings } from "./nats_settings.ts";

/** How much is logged: this level and those after it. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** What every app reads from its environment, checked. The variable's name stands at the end of each comment. */
export interface Settings {
  /** NATS servers, a URL or several with commas between; undefined: nobody said, so a local one is looked for. `NATS_URL` */
  readonly natsUrl: string | undefined;
  /**
   * How to log in to NATS and over which TLS: `NATS_USER` `NATS_PASSWORD` `NATS_TOKEN` `NATS_NKEY` `NATS_CREDS` `NATS_JWT` `NATS_SEED`
   * `NATS_CA` `NATS_CERT` `NATS_KEY` `NATS_TLS_FIRST` `NATS_INBOX_PREFIX`, and what a context of the `nats` command says: `NATS_CONTEXT`
   */
  readonly nats: NatsSettings;
  /** PostgreSQL, `postgres://user:password@host:port/database`; undefined: nobody said, so a local one is looked for. `DATABASE_URL` */
  readonly databaseUrl: string | undefined;
  /** The data folder of a local `muster up` whose servers to use; undefined: `.muster` here or above. `MUSTER_DATA_DIR` */
  readonly dataDir: string | undefined;
  /** Default `info`. `LOG_LEVEL` */
  readonly logLevel: LogLevel;
  /** Port of /healthz, /readyz and /metrics; default 0: any free one, which the log names. `HTTP_PORT` */
  readonly httpPort: number;
  /** Address that port is opened on; default `127.0.0.1`, this machine only. A container wants `0.0.0.0`. `HTTP_HOST` */
  readonly httpHost: string;
  /** Permits of a worker: how many tasks it runs at once. Default 10, from 1 to 1,000. `MUSTER_CONCURRENCY` */
  readonly concurrency: number;
  /**
   * How long running tasks may go on once the process is told to stop, ms; then they are aborted and their messages handed back.
   * Default 20 s, from 0 to an hour. Should be some seconds less than what the supervisor waits before it kills. `MUSTER_DRAIN_SECONDS`
   */
  readonly drainMs: number;
  /** Most connections to PostgreSQL this process opens; a task that writes holds one. Default 10, from 1 to 200. `MUSTER_DATABASE_CONNECTIONS` */
  readonly databaseConnections: number;
}

function isUrl(text: string, protocols: readonly string[]): boolean {
  return protocols.includes(URL.parse(text)?.protocol ?? "");
}

function isNatsServer(text: string): boolean {
  // A bare host with a port is what the nats command takes too.
  return isUrl(text, ["nats:", "tls:", "ws:", "wss:"]) || (!text.includes("://") && URL.canParse(`nats://${text}`));
}

function wholeNumber(from: number, to: number, unit: string) {
  return z
    .string()
    .refine(
      (text) => /^[0-9]{1,9}$/.test(text) && Number(text) >= from && Number(text) <= to,
      `a whole number from ${from} to ${to}${unit}`,
    )
    .transform(Number);
}

/** Environment variables to {@linkcode Settings}, but for what a context says. An issue's message says what is allowed. */
export const Environment = z
  .object({
    NATS_URL: z
      .string()
      .refine(
        (text) => text.split(",").every((server) => isNatsServer(server.trim())),
        "nats://host:port, tls://, ws:// or wss://, or several with commas between",
      )
      .optional(),
    // What these hold is looked at where they are joined with a context.
    NATS_USER: z.string().optional(),
    NATS_PASSWORD: z.string().optional(),
    NATS_TOKEN: z.string().optional(),
    NATS_NKEY: z.string().optional(),
    NATS_CREDS: z.string().optional(),
    NATS_JWT: z.string().optional(),
    NATS_SEED: z.string().optional(),
    NATS_CA: z.string().optional(),
    NATS_CERT: z.string().optional(),
    NATS_KEY: z.string().optional(),
    NATS_INBOX_PREFIX: z.string().optional(),
    NATS_CONTEXT: z.string().optional(),
    NATS_TLS_FIRST: z
      .enum(["true", "false", "1", "0"], "true or false")
      .transform((text) => text === "true" || text === "1")
      .optional(),
    DATABASE_URL: z
      .string()
      .refine((text) => isUrl(text, ["postgres:", "postgresql:"]), "postgres://user:password@host:port/database")
      .optional(),
    MUSTER_DATA_DIR: z.string().optional(),
    LOG_LEVEL: z.enum(LOG_LEVELS, LOG_LEVELS.join(", ")).default("info"),
    HTTP_PORT: wholeNumber(0, 65_535, " (0: any free port)").default(0),
    HTTP_HOST: z
      .string()
      .regex(/^[A-Za-z0-9.:_-]+$/, "a host name or an IP address, as 127.0.0.1, 0.0.0.0 or ::")
      .default("127.0.0.1"),
    MUSTER_CONCURRENCY: wholeNumber(1, 1_000, " tasks").default(10),
    MUSTER_DRAIN_SECONDS: wholeNumber(0, 3_600, " seconds").default(20),
    MUSTER_DATABASE_CONNECTIONS: wholeNumber(1, 200, " connections").default(10),
  })
  .transform((env): { readonly settings: Omit<Settings, "natsUrl" | "nats">; readonly nats: NatsVariables } => ({
    settings: {
      databaseUrl: env.DATABASE_URL,
      dataDir: env.MUSTER_DATA_DIR,
      logLevel: env.LOG_LEVEL,
      httpPort: env.HTTP_PORT,
      httpHost: env.HTTP_HOST,
      concurrency: env.MUSTER_CONCURRENCY,
      drainMs: env.MUSTER_DRAIN_SECONDS * 1_000,
      databaseConnections: env.MUSTER_DATABASE_CONNECTIONS,
    },
    nats: env,
  }));
