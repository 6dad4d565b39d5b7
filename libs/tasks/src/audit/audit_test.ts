import { startNatsServer } from "@muster/local";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Broker, openBareBroker } from "../broker/broker.ts";
import { connectNats } from "../connection/connection.ts";
import { listAudit } from "./list_audit.ts";
import { recordAudit } from "./record_audit.ts";

/** A broker of user `u`, and its alarms. */
async function startBroker(permissions = "") {
  const opened = new AsyncDisposableStack();
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-audit-")));
  const moreConfig = `authorization { timeout: 60, users: [{ user: "u", password: "x", permissions: { ${permissions} } }] }\n`;
  const server = opened.use(await startNatsServer({ dataDir: folder.path, syncInterval: "lazy", moreConfig }));
  const nc = await connectNats({ url: server.url, user: "u", password: "x", name: "u" });
  opened.defer(() => nc.close());
  const alarms: string[] = [];
  const observer = { alarm: (text: string) => void alarms.push(text), note() {}, step() {} };
  const broker = await openBareBroker(nc, { observer });
  return { broker, alarms, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

async function targetsOf(broker: Broker, filter: Parameters<typeof listAudit>[1]): Promise<string[]> {
  return (await listAudit(broker, filter)).records.map(({ target }) => target);
}

test("what was done is listed newest first, by action, person and target, a page at a time", async (t) => {
  await using system = await startBroker();
  const { broker, alarms } = system;
  t.deepEqual(await listAudit(broker), { records: [], next: undefined });
  const of = (who: string, action: string, target: string) => ({ who, from: "cli", action, target });
  await recordAudit(broker, { ...of("ana@ui01", "queue.pause", "MyTask"), detail: { reason: "CE is down" } });
  await recordAudit(broker, of("ben@ui02", "queue.resume", "MyTask of lhcb"));
  await broker.js.publish("audit.by.hand", "no record");
  await recordAudit(broker, { ...of("ana@ui01", "queues", "x"), at: "2027-01-31T12:00:00.000Z" });
  const { records, next } = await listAudit(broker);
  t.is(next, undefined);
  t.deepEqual(
    records.map(({ sequence, action, who, from }) => [sequence, action, who, from]),
    [
      [4, "queues", "ana@ui01", "cli"],
      [2, "queue.resume", "ben@ui02", "cli"],
      [1, "queue.pause", "ana@ui01", "cli"],
    ],
  );
  t.like(records[0], { at: "2027-01-31T12:00:00.000Z" });
  t.like(records[2], { target: "MyTask", detail: { reason: "CE is down" } });
  t.deepEqual(await targetsOf(broker, { action: "queue" }), ["MyTask of lhcb", "MyTask"], "`queues` is another action");
  t.deepEqual(await targetsOf(broker, { who: "ana@ui01" }), ["x", "MyTask"]);
  t.deepEqual(await targetsOf(broker, { target: "lhcb" }), ["MyTask of lhcb"]);
  const page = await listAudit(broker, { limit: 2 });
  t.deepEqual(
    [page.records.map(({ sequence }) => sequence), await targetsOf(broker, { before: page.next ?? 0 })],
    [[4, 2], ["MyTask"]],
  );
  t.deepEqual(alarms, []);
});

test("a record that cannot be kept raises an alarm and does not fail what was done", async (t) => {
  await using system = await startBroker('publish: { deny: "audit.>" }');
  const { broker, alarms } = system;
  await recordAudit(broker, { who: "ana@ui01", from: "cli", action: "dead.drop", target: "MyTask" });
  t.is(alarms.length, 1);
  t.regex(
    alarms[0] ?? "",
    /^Cannot keep in AUDIT that dead\.drop of MyTask by ana@ui01 was done: .*permission.*; the change itself holds$/,
  );
});

test("an action is words with dots between, and a detail that is too long is left out with its length", async (t) => {
  await using system = await startBroker();
  const { broker } = system;
  for (const action of ["", "Queue.pause", "queue..pause", "queue.*", "queue pause"]) {
    const told = recordAudit(broker, { who: "ana", from: "cli", action, target: "x" });
    await t.throwsAsync(told, { instanceOf: RangeError, message: /write lower-case words with dots between/ });
  }
  const detail = { text: "x".repeat(100_000) };
  await recordAudit(broker, { who: "ana", from: "cli", action: "config.apply", target: "y".repeat(5_000), detail });
  const [record] = (await listAudit(broker)).records;
  t.deepEqual(record?.detail, { leftOut: "100011 characters" });
  t.is(record?.target.length, 1_025);
});
