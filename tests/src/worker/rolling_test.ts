import { startTestServer } from "@muster/ledger/testing";
import { deadLetters, requeueDeadLetter } from "@muster/tasks/operate";
import { headers as newHeaders } from "@nats-io/transport-node";
import test from "ava";
import { hash } from "node:crypto";
import { startBundled, type TestProcess } from "../support/child_process.ts";
import { createTestDatabase } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { within } from "../support/until.ts";
import { GreetTaskOne, GreetTaskTwo } from "./rolling_task.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const vo = "lhcb";

/** Stores what waits in LATER as if its time had come. */
async function fire({ broker }: Muster, subject: string): Promise<void> {
  const stored = await broker.jsm.streams.getMessage("LATER", { last_by_subj: subject });
  if (stored === null) throw new Error(`nothing waits on ${subject}`);
  await broker.jsm.streams.deleteMessage("LATER", stored.seq);
  const headers = newHeaders();
  // The server's own, such as the schedule, do not come along; a delayed task has its id twice.
  for (const [name, values] of stored.header) if (name.startsWith("Task-")) headers.set(name, values[0] ?? "");
  await broker.js.publish(`tasks.GreetTask.${vo}`, stored.data, { headers });
}

/** SHA-256 of a payload whose fields are sorted, as the ledger keeps it. */
function payloadHash({ name, fails }: { readonly name: string; readonly fails: string }): string {
  return hash("sha256", JSON.stringify({ fails, name }), "hex");
}

test("a deployment rolls in both directions: newer workers run, retry and requeue what older publishers sent, and older ones leave what is newer", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(server);
  await database.sql("create table greeting (version int not null, names text not null)");
  const start = (version: 1 | 2): Promise<TestProcess> =>
    startBundled(new URL("./rolling_main.ts", import.meta.url), {
      ...{ VERSION: String(version), NATS_URL: muster.nats.url, DATABASE_URL: database.url },
    });
  const greetings = async (version: 1 | 2) =>
    (await database.sql<{ names: string }>(`select names from greeting where version = ${version} order by names`)).map(
      ({ names }) => names,
    );

  await using old = await start(1);
  await old.line(/^ready/);
  const done = await muster.publish(GreetTaskOne, { vo, payload: { name: "Ada Lovelace" } });
  await muster.event("done", done.taskId);
  // What the older version leaves behind: a retry, a dead letter, and a delayed task.
  const retried = await muster.publish(GreetTaskOne, { vo, payload: { name: "Alan Turing", fails: "for now" } });
  await muster.event("retry", retried.taskId);
  const dead = await muster.publish(GreetTaskOne, { vo, payload: { name: "Grace Hopper", fails: "for good" } });
  await muster.event("dead", dead.taskId);
  const at = new Date(Date.now() + 60 * 86_400_000);
  const delayed = await muster.publish(GreetTaskOne, { vo, payload: { name: "Edsger Dijkstra" }, at });
  // Newer publishers beside older workers: their task is left for a newer worker.
  const newer = await muster.publish(GreetTaskTwo, { vo, payload: { first: "Barbara", last: "Liskov" } });
  t.regex((await muster.event("abandoned", newer.taskId)).reason ?? "", /knows version 1; start a newer one/);
  old.kill("SIGTERM");
  t.is((await within(old.exited, () => "the end of the older worker")).code, 0);
  // That worker has handed it back for half a minute, which the lane's consumer keeps.
  await muster.broker.jsm.consumers.delete("TASKS", `GreetTask__${vo}`);

  await using young = await start(2);
  await young.line(/^ready/);
  await muster.event("done", newer.taskId);
  // Older publishers beside newer workers.
  const older = await muster.publish(GreetTaskOne, { vo, payload: { name: "Donald Knuth" } });
  await muster.event("done", older.taskId);
  const odd = await muster.publish(GreetTaskOne, { vo, payload: { name: "Plato" } });
  t.regex(
    (await muster.event("refused", odd.taskId)).reason ?? "",
    /step from version 1 .* failed: "Plato" has no two/,
  );
  for await (const letter of deadLetters(muster.broker)) {
    if (letter.taskId === dead.taskId) await requeueDeadLetter(muster.broker, letter);
  }
  t.is((await muster.event("done", dead.taskId)).attempt, 2);
  // The sixty days are over.
  await fire(muster, `later.GreetTask.${vo}.${retried.taskId}=7E2`);
  await fire(muster, `later.GreetTask.${vo}.${delayed.taskId}`);
  t.is((await muster.event("done", retried.taskId)).attempt, 2);
  await muster.event("done", delayed.taskId);

  t.deepEqual(await greetings(1), ["Ada Lovelace"]);
  const names = ["Alan+Turing", "Barbara+Liskov", "Donald+Knuth", "Edsger+Dijkstra", "Grace+Hopper"];
  t.deepEqual(await greetings(2), names);
  const row = await database.database.ledger.recall(retried.taskId);
  t.is(row?.payloadHash, payloadHash({ name: "Alan Turing", fails: "for now" }), "its identity is what was sent");
});
