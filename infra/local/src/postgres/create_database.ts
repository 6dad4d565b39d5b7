import pg from "pg";

/** PostgreSQL's code for a database whose name is taken. */
const DUPLICATE_DATABASE = "42P04";

/**
 * Creates the database `name` on the server and returns its URL.
 *
 * `template` is a database to copy, to which nobody may be connected. Throws what PostgreSQL reports, e.g. that the name is taken.
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

/** As {@linkcode createDatabase}, but answers the URL of the one that is there when there is one. */
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
