import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
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

/**
 * Variable with the folder of a server that was stopped in good order, of the version that this machine has. A server of a test's own begins
 * as a copy of it, which saves two seconds of CPU for a new cluster and its tables. The gate sets it.
 */
const STOPPED = "MUSTER_TEST_POSTGRES_STOPPED";

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

/** Longest wait of a test for a connection, s: the server may be copying a database for each of twenty tests. */
const CONNECT_TIMEOUT_S = 120;

/** A URL by which work waits for a connection as long as a busy machine may need. */
function patient(url: string): string {
  const patiently = new URL(url);
  patiently.searchParams.set("connect_timeout", String(CONNECT_TIMEOUT_S));
  return patiently.href;
}

function overServer(
  server: Addressed,
  template: string,
  tables: readonly TableSet[],
): Pick<TestServer, "createUrl" | "createEmptyUrl" | "open"> {
  const name = () => `test_${randomName()}`;
  const createUrl = async () => patient(await createDatabase(server, name(), { template }));
  return {
    createUrl,
    createEmptyUrl: async () => patient(await createDatabase(server, name())),
    open: async (options) => openDatabase({ tables, ...options, url: await createUrl() }),
  };
}

/** The folder of another PostgreSQL's programs, to run whole suites on by hand. */
const PROGRAMS = "MUSTER_TEST_POSTGRES_PROGRAMS";

/** Longest time that a server whose folder is to be copied may take to stop in good order, ms. */
const STOP_GRACE_MS = 60_000;

const newFolder = () => mkdtemp(join(tmpdir(), "muster-postgres-"));

/** Copies what a stopped server has, with the user to whom its files belong, as whom PostgreSQL runs. */
async function copyStopped(from: string, to: string): Promise<void> {
  await promisify(execFile)("cp", ["-a", join(from, "pgdata"), join(from, "password"), to]);
}

interface OwnServerOptions extends TestServerOptions {
  readonly durability: "full" | "none";
  /** Folder of the programs of PostgreSQL; undefined: of the version that this machine has. */
  readonly programs?: string | undefined;
  /** The folder of a stopped server of that version, of which it begins as a copy. */
  readonly stopped?: string | undefined;
}

async function startOwn({ durability, tables = [], programs, stopped }: OwnServerOptions): Promise<OwnTestServer> {
  await using opened = new AsyncDisposableStack();
  const dataDir = await newFolder();
  opened.defer(() => rm(dataDir, { recursive: true, force: true }));
  if (stopped !== undefined) await copyStopped(stopped, dataDir);
  const postgres = opened.use(await startPostgres({ dataDir, durability, programs }));
  const template = await findTemplate(postgres, tables);
  const kept = opened.move();
  return {
    postgres,
    ...overServer(postgres, template, tables),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Of the version that tests run on unless they ask for another. */
function startUsual(durability: "full" | "none", options: TestServerOptions): Promise<OwnTestServer> {
  const programs = process.env[PROGRAMS];
  const stopped = programs === undefined ? process.env[STOPPED] : undefined;
  return startOwn({ ...options, durability, programs, stopped });
}

/** A server for tests that do not crash it: the shared one if there is one, else one in a folder of its own. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const url = process.env[SHARED];
  if (url === undefined) return await startUsual("none", options);
  const { tables = [] } = options;
  return { ...overServer({ url }, await findTemplate({ url }, tables), tables), async [Symbol.asyncDispose]() {} };
}

/**
 * Starts the oldest server available for this machine: 14 or 15, which have no `transaction_timeout`. Disposing stops
 * it.
 */
export async function startOldestTestServer(options: TestServerOptions = {}): Promise<OwnTestServer> {
  return await startOwn({ ...options, durability: "none", programs: await findOldestPostgres() });
}

/** Starts a server that keeps what was committed when it is killed; takes about 2 s. Disposing stops it. */
export async function startDurableTestServer(options: TestServerOptions = {}): Promise<OwnTestServer> {
  return await startUsual("full", options);
}

/** Makes the folder of a stopped server. It has a template with the ledger's tables alone, and one with `tables` too. */
async function makeStopped({ tables = [] }: TestServerOptions, programs: string | undefined): Promise<string> {
  const dataDir = await newFolder();
  const postgres = await startPostgres({ dataDir, durability: "none", programs });
  const sets = tables.length > 0 ? [[], tables] : [[]];
  for (const set of sets) await makeTemplate(postgres, templateOf(set), set);
  await postgres.stop(STOP_GRACE_MS);
  return dataDir;
}

/**
 * Starts a server to share, and returns the environment that test files need to find it, and to start others as quickly. It has a template
 * with the ledger's tables alone, and one with `tables` too. Disposing stops it.
 */
export async function startSharedTestServer(
  options: TestServerOptions,
): Promise<AsyncDisposable & { readonly env: Record<string, string> }> {
  const programs = process.env[PROGRAMS];
  await using opened = new AsyncDisposableStack();
  const stopped = await makeStopped(options, programs);
  opened.defer(() => rm(stopped, { recursive: true, force: true }));
  const { postgres } = opened.use(await startOwn({ ...options, durability: "none", programs, stopped }));
  const kept = opened.move();
  return {
    env: { [SHARED]: postgres.url, [STOPPED]: stopped },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
