// Tested by libs/service/src/settings/read_settings_test.ts
import { availableParallelism } from "node:os";
import * as z from "zod";
import type { NatsSettings } from "./nats_settings.ts";
import { isUrl, isWellEncoded, NatsVariables } from "./nats_variables.ts";

/** Levels of the log: a line is written at the chosen level and those after it. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
/** The least severity that is logged. */
export type LogLevel = (typeof LOG_LEVELS)[number];

function wholeNumber(from: number, to: number, unit: string) {
  return z
    .string()
    .refine(
      (text) => /^[0-9]{1,9}$/.test(text) && Number(text) >= from && Number(text) <= to,
      `a whole number from ${from} to ${to}${unit}`,
    )
    .transform(Number);
}

/** A list of words with commas between; doubles are dropped. */
function list(isWord: (word: string) => boolean, allowed: string) {
  return z
    .string()
    .transform((text) => [...new Set(text.split(",").map((word) => word.trim()))])
    .refine((words) => words.every(isWord), allowed);
}

/**
 * Turns environment variables into {@linkcode Settings}, without what a context says. An issue's message says what is
 * allowed.
 */
export const Environment = z
  .object({
    ...NatsVariables.shape,
    DATABASE_URL: z
      .string()
      .refine(
        (text) => isUrl(text, ["postgres:", "postgresql:"]) && text.includes("://"),
        "postgres://user:password@host:port/database",
      )
      .refine(isWellEncoded, "a URL whose user, password and database are percent-encoded: a % stands for no byte")
      .optional(),
    MUSTER_DATA_DIR: z.string().optional(),
    LOG_LEVEL: z.enum(LOG_LEVELS, LOG_LEVELS.join(", ")).default("info"),
    HTTP_PORT: wholeNumber(0, 65_535, " (0: any free port)").default(0),
    HTTP_HOST: z
      .string()
      .regex(/^[A-Za-z0-9.:_-]+$/, "a host name or an IP address, as 127.0.0.1, 0.0.0.0 or ::")
      .default("127.0.0.1"),
    MUSTER_DASHBOARD_PORT: wholeNumber(0, 65_535, " (0: any free port)").default(7_450),
    MUSTER_DASHBOARD_HOST: z
      .string()
      .regex(/^[A-Za-z0-9.:_-]+$/, "a host name or an IP address, as 127.0.0.1, 0.0.0.0 or ::")
      .default("127.0.0.1"),
    MUSTER_DASHBOARD_NAMES: list(
      (word) => /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/.test(word),
      "host names without a port, with commas between",
    ).default([]),
    MUSTER_TOKEN: z
      .string()
      .regex(
        /^[\x21-\x7e]{16,256}$/,
        "16 to 256 printable characters without spaces, as `openssl rand -hex 20` makes them",
      )
      .optional(),
    MUSTER_PERMITS: wholeNumber(1, 1_000, " permits").default(10),
    MUSTER_DRAIN_SECONDS: wholeNumber(0, 3_600, " seconds").default(20),
    MUSTER_EXTENSIONS: list(
      (word) => word !== "" && !/\s/.test(word),
      "names of packages or paths that begin with ./, with commas between",
    ).optional(),
    MUSTER_TASKS: list(
      (word) => /^(?:[A-Za-z0-9_-]+|size:(?:small|medium|large))$/.test(word),
      "all, or names of tasks, size:small, size:medium and size:large, with commas between",
    ).default(["all"]),
    MUSTER_THREADS: wholeNumber(0, 1_000, " threads").default(availableParallelism),
    MUSTER_DATABASE_CONNECTIONS: wholeNumber(1, 200, " connections").default(10),
    MUSTER_HISTORY_DAYS: wholeNumber(0, 36_500, " days (0: for ever)").default(30),
    MUSTER_REPLICAS: wholeNumber(1, 5, " copies").optional(),
  })
  .transform((env) => ({
    nats: env satisfies NatsVariables,
    // Each comment ends with the variable's name.
    settings: {
      /**
       * PostgreSQL, `postgres://user:password@host:port/database`. Undefined: not set, so a local one is looked for.
       * `DATABASE_URL`
       */
      databaseUrl: env.DATABASE_URL,
      /**
       * The data folder of a local `muster up` whose servers to use. Undefined: `.muster` in this folder or above.
       * `MUSTER_DATA_DIR`
       */
      dataDir: env.MUSTER_DATA_DIR,
      /** Default `info`. `LOG_LEVEL` */
      logLevel: env.LOG_LEVEL,
      /** Port of /healthz, /readyz and /metrics. Default 0: any free one, which the log names. `HTTP_PORT` */
      httpPort: env.HTTP_PORT,
      /**
       * Address on which that port is opened. Default `127.0.0.1`: only this machine. A container needs `0.0.0.0`.
       * `HTTP_HOST`
       */
      httpHost: env.HTTP_HOST,
      /** Port of the dashboard. Default 7450; 0: any free one, which the log names. `MUSTER_DASHBOARD_PORT` */
      dashboardPort: env.MUSTER_DASHBOARD_PORT,
      /** Address on which that port is opened. Default `127.0.0.1`: only this machine. `MUSTER_DASHBOARD_HOST` */
      dashboardHost: env.MUSTER_DASHBOARD_HOST,
      /**
       * Names under which browsers reach the dashboard, beside addresses and `localhost`. A request under another name is
       * refused. Default none. `MUSTER_DASHBOARD_NAMES`
       */
      dashboardNames: env.MUSTER_DASHBOARD_NAMES.map((name) => name.toLowerCase()),
      /**
       * The secret that lets a visitor of the dashboard change something. Undefined: the dashboard only shows. `MUSTER_TOKEN`
       */
      token: env.MUSTER_TOKEN,
      /**
       * Permits of a worker: most tasks that it runs at once in its event loop. Default 10, from 1 to 1,000.
       * `MUSTER_PERMITS`
       */
      permits: env.MUSTER_PERMITS,
      /**
       * Most threads of a worker, and so most medium and large tasks that it runs at once. Default: one for each
       * processor; from 0 to 1,000. With 0 they share the event loop with the small ones. `MUSTER_THREADS`
       */
      threads: env.MUSTER_THREADS,
      /**
       * Longest time that running tasks may go on after the process is told to stop, ms. Then they are aborted and
       * their messages handed back. Default 20 s, from 0 to an hour. Should be some seconds less than the supervisor
       * waits before it kills. `MUSTER_DRAIN_SECONDS`
       */
      drainMs: env.MUSTER_DRAIN_SECONDS * 1_000,
      /**
       * Modules of the extensions whose tasks to run, schedule and know: names of packages, or paths that begin with
       * `./`. They are searched from the folder in which the app was started. Undefined: the app has its default.
       * `MUSTER_EXTENSIONS`
       */
      extensions: env.MUSTER_EXTENSIONS,
      /**
       * The tasks of the extensions that the generic worker runs: `all`, names, `size:small` and the like. Default
       * `all`. `MUSTER_TASKS`
       */
      tasks: env.MUSTER_TASKS,
      /**
       * Most connections of this process to PostgreSQL. A task that writes holds one. Default 10, from 1 to 200.
       * `MUSTER_DATABASE_CONNECTIONS`
       */
      databaseConnections: env.MUSTER_DATABASE_CONNECTIONS,
      /**
       * How long the scheduler keeps rows of what has ended and is only history, such as ended pilots, ms. Their numbers are kept for ever.
       * Default 30 days, up to 36,500; infinite for 0. `MUSTER_HISTORY_DAYS`
       */
      historyMs: env.MUSTER_HISTORY_DAYS === 0 ? Number.POSITIVE_INFINITY : env.MUSTER_HISTORY_DAYS * 86_400_000,
      /**
       * Least number of copies of each stream and bucket, from 1 to 5. Where there are fewer, an app adds some; it never
       * takes any away. Undefined: 3 on a cluster that has the servers, otherwise 1. `MUSTER_REPLICAS`
       */
      replicas: env.MUSTER_REPLICAS,
    },
  }));

/** The checked settings of every app. They come from environment variables. */
export interface Settings extends Readonly<z.output<typeof Environment>["settings"]> {
  /**
   * NATS servers: a URL, or several with commas between. Undefined: not set, so a local one is looked for. `NATS_URL`
   */
  readonly natsUrl: string | undefined;
  /**
   * How to log in to NATS, and the TLS to use. The settings are: `NATS_USER` `NATS_PASSWORD` `NATS_PASSWORD_FILE`
   * `NATS_TOKEN` `NATS_NKEY` `NATS_CREDS` `NATS_JWT` `NATS_SEED` `NATS_CA` `NATS_CERT` `NATS_KEY` `NATS_TLS_FIRST`
   * `NATS_INBOX_PREFIX`.
   *
   * A context of the `nats` command says it too: `NATS_CONTEXT`.
   */
  readonly nats: NatsSettings;
}
