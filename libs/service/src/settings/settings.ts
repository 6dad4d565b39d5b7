import { z } from "zod";
import type { NatsSettings } from "./nats_settings.ts";
import { isUrl, NatsVariables } from "./nats_variables.ts";

/** How much is logged: this level and those after it. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
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

/** Words with commas between, each once. */
function list(isWord: (word: string) => boolean, allowed: string) {
  return z
    .string()
    .transform((text) => [...new Set(text.split(",").map((word) => word.trim()))])
    .refine((words) => words.every(isWord), allowed);
}

/** Environment variables to {@linkcode Settings}, but for what a context says. An issue's message says what is allowed. */
export const Environment = z
  .object({
    ...NatsVariables.shape,
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
    MUSTER_DATABASE_CONNECTIONS: wholeNumber(1, 200, " connections").default(10),
  })
  .transform((env) => ({
    nats: env satisfies NatsVariables,
    // The variable's name stands at the end of each comment.
    settings: {
      /** PostgreSQL, `postgres://user:password@host:port/database`; undefined: nobody said, so a local one is looked for. `DATABASE_URL` */
      databaseUrl: env.DATABASE_URL,
      /** The data folder of a local `muster up` whose servers to use; undefined: `.muster` here or above. `MUSTER_DATA_DIR` */
      dataDir: env.MUSTER_DATA_DIR,
      /** Default `info`. `LOG_LEVEL` */
      logLevel: env.LOG_LEVEL,
      /** Port of /healthz, /readyz and /metrics; default 0: any free one, which the log names. `HTTP_PORT` */
      httpPort: env.HTTP_PORT,
      /** Address that port is opened on; default `127.0.0.1`, this machine only. A container wants `0.0.0.0`. `HTTP_HOST` */
      httpHost: env.HTTP_HOST,
      /** Permits of a worker: how many tasks it runs at once. Default 10, from 1 to 1,000. `MUSTER_PERMITS` */
      permits: env.MUSTER_PERMITS,
      /**
       * How long running tasks may go on once the process is told to stop, ms; then they are aborted and their messages handed back.
       * Default 20 s, from 0 to an hour. Should be some seconds less than what the supervisor waits before it kills. `MUSTER_DRAIN_SECONDS`
       */
      drainMs: env.MUSTER_DRAIN_SECONDS * 1_000,
      /**
       * Modules of the extensions whose tasks to run, schedule and know: names of packages, or paths that begin with `./`. Found from the
       * folder in which the app was started. Undefined: the app has its default. `MUSTER_EXTENSIONS`
       */
      extensions: env.MUSTER_EXTENSIONS,
      /** Which tasks of the extensions the generic worker runs: `all`, names, `size:small` and the like. Default `all`. `MUSTER_TASKS` */
      tasks: env.MUSTER_TASKS,
      /** Most connections to PostgreSQL this process opens; a task that writes holds one. Default 10, from 1 to 200. `MUSTER_DATABASE_CONNECTIONS` */
      databaseConnections: env.MUSTER_DATABASE_CONNECTIONS,
    },
  }));

/** What every app reads from its environment, checked. All but NATS follows from {@linkcode Environment}. */
export interface Settings extends Readonly<z.output<typeof Environment>["settings"]> {
  /** NATS servers, a URL or several with commas between; undefined: nobody said, so a local one is looked for. `NATS_URL` */
  readonly natsUrl: string | undefined;
  /**
   * How to log in to NATS and over which TLS: `NATS_USER` `NATS_PASSWORD` `NATS_TOKEN` `NATS_NKEY` `NATS_CREDS` `NATS_JWT` `NATS_SEED`
   * `NATS_CA` `NATS_CERT` `NATS_KEY` `NATS_TLS_FIRST` `NATS_INBOX_PREFIX`, and what a context of the `nats` command says: `NATS_CONTEXT`
   */
  readonly nats: NatsSettings;
}
