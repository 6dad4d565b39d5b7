import { claim, fence, outcome } from "@muster/ledger/testing";
import { addCe, submitPilot } from "@muster/logic";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { countOverlaps } from "./pilot_sums.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const [one, other] = ["ce1.example.org", "ce2.example.org"];

test("submissions that ran beside another one on their CE are counted, and those one after the other are not", async (t) => {
  await using database = await server.open();
  await database.transaction(async (transaction) => {
    for (const name of [one, other]) await addCe(transaction, { name, capacity: 9, successRate: 1 });
  });
  const submit = async (taskId: string, ceName: string) => {
    const opened = database.ledger.open(claim(taskId, fence(taskId, 1)));
    await submitPilot(await opened.transaction(), { ceName, vo: "lhcb", taskId, random: () => 0 });
    return opened;
  };
  for (const taskId of ["t1", "t2"]) await (await submit(taskId, one)).commit(outcome(taskId));
  // Neither sees what the other has written.
  const open = [await submit("t3", other), await submit("t4", other)];
  for (const [index, opened] of open.entries()) await opened.commit(outcome(`t${index + 3}`));
  t.is(await countOverlaps(database, { count: 4, ceNames: [one, other] }), 1);
  t.is(await countOverlaps(database, { count: 2, ceNames: [one] }), 0);
});

test("a measurement ends where pilots are missing or too many", async (t) => {
  await using database = await server.open();
  await database.transaction((transaction) => addCe(transaction, { name: one, capacity: 9, successRate: 1 }));
  const opened = database.ledger.open(claim("t1"));
  await submitPilot(await opened.transaction(), { ceName: one, vo: "lhcb", taskId: "t1", random: () => 0 });
  await opened.commit(outcome("t1"));
  await t.throwsAsync(countOverlaps(database, { count: 2, ceNames: [one] }), { message: /has 1 pilots, and 2 were/ });
  await t.throwsAsync(countOverlaps(database, { count: 1, ceNames: [other] }), { message: /has 0 pilots/ });
});
