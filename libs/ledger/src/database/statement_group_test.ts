import test from "ava";
import { Client } from "pg";
import { startTestServer } from "../testing/mod.ts";
import { shelfTables } from "../testing/shelf_tables.ts";
import { sqlStateOf } from "./failures.ts";
import { StatementGroup } from "./statement_group.ts";

const server = await startTestServer({ tables: [shelfTables] });
test.after.always(() => server[Symbol.asyncDispose]());

async function connect(): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: await server.createUrl(), pipeline: true } as {
    connectionString: string;
  });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

const PUT = { name: "put", text: "insert into shelf (name, books) values ($1, $2) returning books" };

test("statements of a group run in order, and each has its own answer", async (t) => {
  await using client = await connect();
  const group = new StatementGroup();
  const answers = Promise.all([
    group.add({ text: "start transaction" }),
    group.add({ ...PUT, values: ["s1", 7] }),
    group.add({ ...PUT, values: ["s2", 8] }),
    group.add({ text: "select name from shelf order by name" }),
    group.add({ text: "commit" }),
  ]);
  client.query(group);
  const told = (await answers).map(({ command, rows }) => ({ command, rows }));
  t.deepEqual(told, [
    { command: "START", rows: [] },
    { command: "INSERT", rows: [{ books: 7 }] },
    { command: "INSERT", rows: [{ books: 8 }] },
    { command: "SELECT", rows: [{ name: "s1" }, { name: "s2" }] },
    { command: "COMMIT", rows: [] },
  ]);
});

test("what comes after a statement that fails is skipped, and told as a part of the failed transaction", async (t) => {
  await using client = await connect();
  await client.query("start transaction");
  const group = new StatementGroup();
  const answers = Promise.allSettled([
    group.add({ text: "select 1 as one" }),
    group.add({ text: "select 1 / 0" }),
    group.add({ ...PUT, values: ["s1", 7] }),
    group.add({ text: "commit" }),
  ]);
  client.query(group);
  const states = (await answers).map((each) =>
    each.status === "fulfilled" ? each.value.rows : sqlStateOf(each.reason),
  );
  t.deepEqual(states, [[{ one: 1 }], "22012", "25P02", "25P02"]);
  await client.query("rollback");
  // The skipped statement has never been parsed, so its name may not count as known.
  t.deepEqual((await client.query({ ...PUT, values: ["s1", 7] })).rows, [{ books: 7 }]);
});

test("a statement whose values cannot be sent fails alone, and the others have their own answers", async (t) => {
  await using client = await connect();
  const ring: { self?: object } = {};
  ring.self = ring;
  const group = new StatementGroup();
  const answers = Promise.allSettled([
    group.add({ text: "select 1 as number" }),
    group.add({ text: "select $1::json as number", values: [ring] }),
    group.add({ text: "select 2 as number" }),
  ]);
  client.query(group);
  const [first, second, third] = await answers;
  t.like(first, { value: { rows: [{ number: 1 }] } });
  t.like(second, { status: "rejected" });
  t.like(third, { value: { rows: [{ number: 2 }] } });
  t.deepEqual((await client.query("select 3 as number")).rows, [{ number: 3 }]);
});

test("a connection that is lost fails each statement of a group with that", async (t) => {
  await using client = await connect();
  client.on("error", () => {}); // the loss is what this is about
  const group = new StatementGroup();
  const answers = Promise.allSettled([group.add({ text: "select pg_sleep(600)" }), group.add({ text: "commit" })]);
  client.query(group);
  client.connection.stream.destroy(new Error("the link is cut"));
  for (const each of await answers) t.like(each, { status: "rejected", reason: { message: "the link is cut" } });
});
