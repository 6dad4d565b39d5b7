import test from "ava";
import { claim, fence, outcome, runSql, startTestServer, untilWaiting } from "../testing/mod.ts";
import { shelfTables } from "../testing/shelf_tables.ts";
import { FenceRefusedError } from "./fence.ts";

const server = await startTestServer({ tables: [shelfTables] });
test.after.always(() => server[Symbol.asyncDispose]());

const ceName = "ce01.example.org";
/** The fence of a reader of the epoch that began with `token`. */
const reader = (token: number) => ({ ...fence(ceName, token, `epoch ${token}`), isShared: true });
const writer = (token: number) => fence(ceName, token, `writer ${token}`);

test("readers that hold a lock together write at the same time: none waits for another's transaction", async (t) => {
  await using database = await server.open();
  const first = database.ledger.open(claim("t1", reader(5)));
  await first.fenced();
  const second = database.ledger.open(claim("t2", reader(5)));
  t.like(await second.commit(outcome("t2")), { kind: "committed" });
  t.like(await first.commit(outcome("t1")), { kind: "committed" });
});

test("a stale writer is refused once a newer reader has begun, also where that reader rolls back", async (t) => {
  await using database = await server.open();
  const newer = database.ledger.open(claim("t2", reader(5)));
  await newer.fenced();
  const stale = database.ledger.open(claim("t1", writer(4)));
  const refused = t.throwsAsync(stale.fenced(), { instanceOf: FenceRefusedError });
  await untilWaiting(database);
  await newer.rollback();
  t.like(await refused, { fencingToken: 4, storedRevision: 5 });
  t.true(stale.gone() instanceof FenceRefusedError);
});

test("I28: a stale reader is refused once a newer writer has begun, and waits for that writer's end", async (t) => {
  await using database = await server.open();
  const newer = database.ledger.open(claim("t2", writer(6)));
  await newer.fenced();
  const stale = database.ledger.open(claim("t1", reader(5)));
  const refused = t.throwsAsync(stale.fenced(), { instanceOf: FenceRefusedError });
  await untilWaiting(database);
  t.like(await newer.commit(outcome("t2")), { kind: "committed" });
  t.like(await refused, { fencingToken: 5, storedRevision: 6 });
  t.is(await database.ledger.recall("t1"), undefined);
});

test("a newer writer waits for the readers whose transactions are open, and then writes after them", async (t) => {
  await using database = await server.open();
  const readers = ["t1", "t2"].map((id) => ({ id, opened: database.ledger.open(claim(id, reader(5))) }));
  for (const { opened } of readers) await opened.fenced();
  const newer = database.ledger.open(claim("t3", writer(6)));
  const writing = newer.commit(outcome("t3"));
  await untilWaiting(database);
  for (const { id, opened } of readers) t.like(await opened.commit(outcome(id)), { kind: "committed" });
  t.like(await writing, { kind: "committed" });
  t.like(await runSql(database, "select revision from lock_fence"), [{ revision: 6 }]);
});

test("a reader whose epoch is over is refused by the next one", async (t) => {
  await using database = await server.open();
  const next = database.ledger.open(claim("t2", reader(7)));
  t.like(await next.commit(outcome("t2")), { kind: "committed" });
  const stale = database.ledger.open(claim("t1", reader(5)));
  t.like(await stale.commit(outcome("t1")), { kind: "unknown", cause: { name: "FenceRefusedError" } });
});
