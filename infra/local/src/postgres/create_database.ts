import pg from "pg";

/** PostgreSQL's code for a name that another database has. */
const DUPLICATE_DATABASE = "42P04";

/**
 * Creates the database `name` on the server and returns its URL.
 *
 * `template` is a database to copy. Nobody may be connected to it. Throws the errors of PostgreSQL, e.g. that the name is taken.
 */
export async function createDatabase(
  server: { readonly url: string },
  name: string,
  options: { readonly template?: string } = {},
): Promise<string> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    const copied = options.template === undefined ? "" : ` template ${pg.escapeIdentifier(options.template)}`;
    await client.query(`create database ${pg.escapeIdentifier(name)}${copied}`);
  } finally {
    await client.end();
  }
  return databaseUrl(server, name);
}

/** Like {@linkcode createDatabase}, but returns the URL of the existing database where there is one. */
export async function ensureDatabase(server: { readonly url: string }, name: string): Promise<string> {
  try {
    return await createDatabase(server, name);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== DUPLICATE_DATABASE) throw error;
    return databaseUrl(server, name);
  }
}

function databaseUrl(server: { readonly url: string }, name: string): string {
  const url = new URL(server.url);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}
