// Tested by tests/src/extension/testing_test.ts
import { type Database, migrate, openDatabase } from "@muster/ledger";
import { composeExtensions } from "../extension/compose_extensions.ts";
import type { Extension } from "../extension/extension.ts";

/** Most connections of a test to its database. */
const CONNECTIONS = 4;

/**
 * Makes the tables of the ledger and of these extensions in the PostgreSQL database at `url`, and opens it. What is there stays, so give each
 * test an empty database of its own. Disposing of it closes its connections.
 *
 * Throws what migrating throws, and `ExtensionsClashError`.
 *
 * ```ts
 * await using database = await openTestDatabase(url, [extension]);
 * ```
 */
export async function openTestDatabase(url: string, extensions: readonly Extension[]): Promise<Database> {
  const { tables, tasks } = composeExtensions(extensions);
  await migrate(url, { tables });
  const longestTaskMs = Math.max(0, ...tasks.map(({ timeoutMs }) => timeoutMs));
  return await openDatabase({
    ...{ url, tables, poolSize: CONNECTIONS },
    ...(longestTaskMs > 0 && { transactionTimeoutMs: longestTaskMs }),
  });
}
