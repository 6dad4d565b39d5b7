import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDatabase, findOldestPostgres, type Postgres, startPostgres } from "@muster/local";
import { type Database, type DatabaseOptions, openDatabase } from "../open_database.ts";
import { migrate } from "../schema/migrate.ts";

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

/** The URL of a running server that test files share. The gate sets it: it saves each file 2 s of CPU for a server of its own. */
const SHARED = "MUSTER_TEST_POSTGRES";
const TEMPLATE = "muster_template";

function overServer(server: { readonly url: string }): Pick<TestServer, "createUrl" | "createEmptyUrl" | "open"> {
  // Several processes take names on a server that is shared.
  const name = () => `test_${randomBytes(8).toString("hex")}`;
  const createUrl = () => createDatabase(server, name(), { template: TEMPLATE });
  return {
    createUrl,
    createEmptyUrl: () => createDatabase(server, name()),
    open: async (options) => openDatabase({ ...options, url: await createUrl() }),
  };
}

/** The folder of another PostgreSQL's programs, to run whole suites on by hand. */
const PROGRAMS = "MUSTER_TEST_POSTGRES_PROGRAMS";

async function startOwn(durability: "full" | "none", programs = process.env[PROGRAMS]): Promise<OwnTestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), "muster-postgres-"));
  const postgres = await startPostgres({ dataDir, durability, programs });
  await migrate(await createDatabase(postgres, TEMPLATE));
  return {
    postgres,
    ...overServer(postgres),
    async [Symbol.asyncDispose]() {
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A server for tests that play no crash of it: the shared one where there is one, else one in a folder of its own. */
export async function startTestServer(): Promise<TestServer> {
  const url = process.env[SHARED];
  if (url === undefined) return await startOwn("none");
  return { ...overServer({ url }), async [Symbol.asyncDispose]() {} };
}

/** Starts the oldest server that there is for this machine: 14 or 15, which have no `transaction_timeout`. Disposing stops it. */
export async function startOldestTestServer(): Promise<OwnTestServer> {
  return await startOwn("none", await findOldestPostgres());
}

/** Starts a server that keeps what was committed over a kill, about 2 s. Disposing stops it. */
export async function startDurableTestServer(): Promise<OwnTestServer> {
  return await startOwn("full");
}

/** Starts a server to share, and answers the environment that test files need to find it. Disposing stops it. */
export async function startSharedTestServer(): Promise<AsyncDisposable & { readonly env: Record<string, string> }> {
  const server = await startOwn("none");
  return { env: { [SHARED]: server.postgres.url }, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
