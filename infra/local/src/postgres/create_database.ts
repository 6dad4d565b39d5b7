import pg from "pg";

/**
 * Creates the database `name` on the server and answers its URL.
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
  const url = new URL(server.url);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}
