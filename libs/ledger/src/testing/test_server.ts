import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase, findOldestPostgres, type Postgres, startPostgres } from "@muster/local";
import { Client } from "pg";
import { type Database, type DatabaseOptions, openDatabase } from "../open_database.ts";
import { migrate } from "../schema/migrate.ts";
import type { TableSet } from "../schema/table_set.ts";

/** A PostgreSQL server for one test file, with a migrated database to copy for each test. */
export interface TestServer extends AsyncDisposable {
  /** The URL of a new database with all tables and no rows. */
  createUrl(): Promise<string>;
  /** The URL of a new database with nothing in it. */
  createEmptyUrl(): Promise<string>;
  /** Opens a new database with all tables and no rows. */
  open(options?: Omit<DatabaseOptions, "url">): Promise<Database>;
}

/** A server that only this test has, and may kill. */
export interface OwnTestServer extends TestServer {
  readonly postgres: Postgres;
}

/**
 * Variable with the URL of a running server that test files share. The gate sets it, which saves each file 2 s of CPU
 * for its own server.
 */
const SHARED = "MUSTER_TEST_POSTGRES";

export interface TestServerOptions {
  /** Sets of tables beside the ledger's own, which each new database has. Default: none. */
  readonly tables?: readonly TableSet[];
}

interface Addressed {
  readonly url: string;
}

/** The database that is copied for tests of these sets. */
function templateOf(tables: readonly TableSet[]): string {
  return ["muster_template", ...tables.map(({ name }) => name)].join("_");
}

async function makeTemplate(server: Addressed, template: string, tables: readonly TableSet[]): Promise<string> {
  await migrate(await createDatabase(server, template), { tables });
  return template;
}

/** Whether there is such a database. It waits as long as it takes: a server that many tests share may take its time. */
async function hasDatabase(server: Addressed, name: string): Promise<boolean> {
  const client = new Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query("select from pg_database where datname = $1", [name])).rowCount === 1;
  } finally {
    await client.end();
  }
}

/** The template of these sets on a server that others may have prepared. Makes one where there is none. */
async function findTemplate(server: Addressed, tables: readonly TableSet[]): Promise<string> {
  const template = templateOf(tables);
  return (await hasDatabase(server, template))
    ? template
    : await makeTemplate(server, `${template}_${randomName()}`, tables);
}

// Several processes take names on a server that is shared.
function randomName(): string {
  return randomBytes(8).toString("hex");
}

function overServer(
  server: Addressed,
  template: string,
  tables: readonly TableSet[],
): Pick<TestServer, "createUrl" | "createEmptyUrl" | "open"> {
  const name = () => `test_${randomName()}`;
  const createUrl = () => createDatabase(server, name(), { template });
  return {
    createUrl,
    createEmptyUrl: () => createDatabase(server, name()),
    open: async (options) => openDatabase({ tables, ...options, url: await createUrl() }),
  };
}

/** The folder of another PostgreSQL's programs, to run whole suites on by hand. */
const PROGRAMS = "MUSTER_TEST_POSTGRES_PROGRAMS";

async function startOwn(
  durability: "full" | "none",
  { tables = [] }: TestServerOptions,
  programs = process.env[PROGRAMS],
): Promise<OwnTestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-postgres-"));
  const postgres = await startPostgres({ dataDir, durability, programs });
  return {
    postgres,
    ...overServer(postgres, await makeTemplate(postgres, templateOf(tables), tables), tables),
    async [Symbol.asyncDispose]() {
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A server for tests that do not crash it: the shared one if there is one, else one in a folder of its own. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const url = process.env[SHARED];
  if (url === undefined) return await startOwn("none", options);
  const { tables = [] } = options;
  return { ...overServer({ url }, await findTemplate({ url }, tables), tables), async [Symbol.asyncDispose]() {} };
}

/**
 * Starts the oldest server available for this machine: 14 or 15, which have no `transaction_timeout`. Disposing stops
 * it.
 */
export async function startOldestTestServer(options: TestServerOptions = {}): Promise<OwnTestServer> {
  return await startOwn("none", options, await findOldestPostgres());
}

/** Starts a server that keeps what was committed when it is killed; takes about 2 s. Disposing stops it. */
export async function startDurableTestServer(options: TestServerOptions = {}): Promise<OwnTestServer> {
  return await startOwn("full", options);
}

/**
 * Starts a server to share, and returns the environment that test files need to find it. It has a template with the
 * ledger's tables alone, and one with `tables` too. Disposing stops it.
 */
export async function startSharedTestServer(
  options: TestServerOptions,
): Promise<AsyncDisposable & { readonly env: Record<string, string> }> {
  const server = await startOwn("none", options);
  const { postgres } = server;
  if (options.tables?.length) await makeTemplate(postgres, templateOf([]), []);
  return { env: { [SHARED]: postgres.url }, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
