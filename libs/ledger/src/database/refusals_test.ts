import test from "ava";
import { openDatabase } from "../open_database.ts";
import { migrate } from "../schema/migrate.ts";
import { runSql, startTestServer } from "../testing/mod.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** `url` with one part of it changed. */
function changed(url: string, change: (parts: URL) => void): string {
  const parts = new URL(url);
  change(parts);
  return parts.href;
}

/** What is told where `url` is used, by a question and by a probe, which must agree. */
async function toldOf(url: string): Promise<string> {
  await using database = await openDatabase({ url });
  const told = async (work: () => Promise<unknown>) => {
    try {
      await work();
      return "nothing";
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const [first, second] = [await told(() => database.requireMigrated()), await told(() => database.ping())];
  return second === "nothing" || second === first ? first : `${first} | ${second}`;
}

test("a login that is refused is told with user and place, the server's words and its state, and what to correct", async (t) => {
  const url = await server.createUrl();
  const { host, username } = new URL(url);
  const wrong = await toldOf(changed(url, (parts) => Object.assign(parts, { password: "wr0ng" })));
  t.is(
    wrong,
    `Cannot log in to the database at ${host} as user "${username}": password authentication failed for user "${username}" (28P01); correct user and password in DATABASE_URL, or set that password in PostgreSQL (alter role ... password)`,
  );
  const missing = await toldOf(changed(url, (parts) => Object.assign(parts, { pathname: "/none" })));
  t.is(
    missing,
    `Cannot use database "none" at ${host}: database "none" does not exist (3D000); create it and run \`muster migrate\`, or correct its name in DATABASE_URL`,
  );
  const unreadable = `${url}?sslmode=verify-full&sslrootcert=/nowhere/ca.pem`;
  t.regex(await toldOf(unreadable), /^Cannot reach the database: ENOENT.*'\/nowhere\/ca\.pem'; correct that path in/);
});

test("a login that may not do what is asked is told with the user, what is missing, and what to grant, by apps and by the migration", async (t) => {
  const url = await server.createUrl();
  const name = `stranger_${new URL(url).pathname.slice(1)}`;
  await using database = await openDatabase({ url });
  await runSql(database, `create role ${name} login password 'x'`);
  const asStranger = (of: string) => changed(of, (parts) => Object.assign(parts, { username: name, password: "x" }));
  const user = `as user "${name}": permission denied for`;
  t.is(
    await toldOf(asStranger(url)),
    `Cannot use the database ${user} table muster_migration_ledger (42501); grant that right, or use the login that ran \`muster migrate\``,
  );
  const empty = await server.createEmptyUrl();
  {
    await using owners = await openDatabase({ url: empty });
    await runSql(owners, "revoke create on schema public from public"); // as it is from PostgreSQL 15 on
  }
  await t.throwsAsync(migrate(asStranger(empty)), {
    name: "DatabaseForbiddenError",
    message: `Cannot migrate the database ${user} schema public (42501); grant that right, or run \`muster migrate\` with the login that the database belongs to`,
  });
  await runSql(database, `revoke connect on database ${new URL(url).pathname.slice(1)} from public`);
  t.regex(await toldOf(asStranger(url)), /^Cannot use database .* as user "stranger_.*\(42501\); let that user in/);
});
