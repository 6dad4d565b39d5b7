import test, { type ExecutionContext } from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { setImmediate } from "node:timers/promises";
import { openDatabase } from "../open_database.ts";
import { migrate } from "../schema/migrate.ts";
import { claim, fence, outcome, runSql, startOldestTestServer, startTestServer, untilRow } from "../testing/mod.ts";
import { DatabaseTooOldError } from "./failures.ts";

const servers = {
  "the oldest PostgreSQL": await startOldestTestServer(),
  "the PostgreSQL of npm start": await startTestServer(),
};
test.after.always(async () => {
  await Promise.all(Object.values(servers).map((server) => server[Symbol.asyncDispose]()));
});

const SLEEPING =
  "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database() and state = 'active'";

/** A worker in a process of its own, inside a transaction under the lock of ce01, that says when it is and how that ended. */
async function startWorker(url: string, sql: string) {
  const script = `
    import { openDatabase } from ${JSON.stringify(import.meta.resolve("../open_database.ts"))};
    import { claim, fence, outcome } from ${JSON.stringify(import.meta.resolve("../testing/tasks.ts"))};
    const options = { idleInTransactionTimeoutMs: 1_500, transactionTimeoutMs: 4_000 };
    await using database = await openDatabase({ url: ${JSON.stringify(url)}, ...options });
    const opened = database.ledger.open(claim("frozen", fence("ce01", 1)));
    const transaction = await opened.transaction();
    console.log("inside");
    await transaction.execute(${JSON.stringify(sql)}).catch(() => undefined);
    console.log((await opened.commit(outcome("frozen")).catch((error) => ({ kind: error.message }))).kind);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async () => String((await lines.next()).value);
  return { child, line, exited };
}

/** A server of that version number, which answers one question and no other. */
async function startServerOf(version: number) {
  const message = (type: string, body: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length + 4);
    return Buffer.concat([Buffer.from(type), length, body]);
  };
  const text = String(version);
  const row = Buffer.concat([Buffer.from([0, 1, 0, 0, 0, text.length]), Buffer.from(text)]);
  // One column of type int4.
  const column = Buffer.concat([Buffer.from("\0\x01version\0"), Buffer.alloc(6), Buffer.from([0, 0, 0, 23, 0, 4])]);
  const description = Buffer.concat([column, Buffer.from([255, 255, 255, 255, 0, 0])]);
  const ready = message("Z", Buffer.from("I"));
  const answer = [message("T", description), message("D", row), message("C", Buffer.from("SELECT 1\0")), ready];
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => {
      socket.write(Buffer.concat([message("R", Buffer.alloc(4)), ready]));
      socket.on("data", (bytes) => void (bytes[0] === "Q".charCodeAt(0) && socket.write(Buffer.concat(answer))));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

for (const [name, server] of Object.entries(servers)) {
  test(`on ${name} a task that fills its transaction with short statements is ended at the limit, and is gone, not failed`, async (t) => {
    const url = await server.createUrl();
    await using operator = await openDatabase({ url });
    await using database = await openDatabase({ url, transactionTimeoutMs: 3_000 });
    const opened = database.ledger.open(claim("t1", fence("ce01", 1)));
    const transaction = await opened.transaction();
    const beganAt = performance.now();
    const error = await t.throwsAsync(async () => {
      while (performance.now() - beganAt < 60_000) await transaction.execute("select pg_sleep(0.01)");
    });
    t.is(database.ledger.classify(error), "gone");
    t.like(await opened.commit(outcome("t1")), { kind: "unknown" });
    const next = operator.ledger.open(claim("t2", fence("ce01", 2)));
    t.like(await next.commit(outcome("t2")), { kind: "committed" });
  });

  test(`on ${name} an idle transaction that is kept awake is ended at the limit all the same`, async (t) => {
    const url = await server.createUrl();
    await using operator = await openDatabase({ url });
    await using database = await openDatabase({ url, transactionTimeoutMs: 3_000 });
    const opened = database.ledger.open(claim("t1", fence("ce01", 1)));
    await opened.transaction();
    while (opened.gone() === undefined) {
      await opened.keepAwake();
      await setImmediate();
    }
    const next = operator.ledger.open(claim("t2", fence("ce01", 2)));
    t.like(await next.commit(outcome("t2")), { kind: "committed" });
  });

  test(`on ${name} a single statement that outlasts its transaction's limit is ended, and is gone, not failed`, async (t) => {
    const url = await server.createUrl();
    await using operator = await openDatabase({ url });
    await using database = await openDatabase({ url, transactionTimeoutMs: 3_000 });
    const opened = database.ledger.open(claim("t1", fence("ce01", 1)));
    const error = await t.throwsAsync((await opened.transaction()).execute("select pg_sleep(600)"));
    t.is(database.ledger.classify(error), "gone");
    t.deepEqual(await runSql(operator, SLEEPING), []);
  });

  test(`on ${name} a statement that a shorter timeout of the task's own ends has failed, and is not gone`, async (t) => {
    await using database = await server.open({ transactionTimeoutMs: 60_000 });
    const opened = database.ledger.open(claim("t1"));
    const transaction = await opened.transaction();
    await transaction.execute("set local statement_timeout = 50");
    t.is(database.ledger.classify(await t.throwsAsync(transaction.execute("select pg_sleep(60)"))), "failed");
    await opened.rollback();
  });

  async function freezeInside(t: ExecutionContext, sql: string, isInside: string): Promise<void> {
    const url = await server.createUrl();
    await using database = await openDatabase({ url });
    const { child, line, exited } = await startWorker(url, sql);
    t.is(await line(), "inside");
    await untilRow(database, isInside);
    child.kill("SIGSTOP");
    // It waits for the frozen one's row until the server has ended that transaction.
    const next = database.ledger.open(claim("next", fence("ce01", 2)));
    t.like(await next.commit(outcome("next")), { kind: "committed" });
    child.kill("SIGCONT");
    t.is(await line(), "unknown");
    t.is(await database.ledger.recall("frozen"), undefined);
    await exited;
  }

  test(`I11: on ${name} a worker that is frozen while a statement of its runs lets go of its lock's row`, async (t) => {
    await freezeInside(t, "select pg_sleep(600)", SLEEPING);
  });
}

test("a server that is too old is named with its version and the one needed", async (t) => {
  const server = await startServerOf(130_011);
  const url = `postgres://nobody@127.0.0.1:${(server.address() as AddressInfo).port}/none`;
  await using database = await openDatabase({ url });
  for (const ask of [() => database.ping(), () => migrate(url), () => database.ledger.recall("t1")]) {
    const error = await t.throwsAsync(ask, { instanceOf: DatabaseTooOldError });
    t.is(error.major, 13);
    t.regex(error.message, /PostgreSQL 13, and 14 or newer/);
  }
  server.close();
});
