import { startTestServer } from "@muster/logic/testing";
import { openDatabase, writeStoreMark } from "@muster/ledger";
import { writeNatsMark } from "@muster/tasks/operate";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("the doctor names the store that was restored to an earlier state until a scheduler has looked, and changes nothing", async (t) => {
  await using muster = await startMuster();
  const url = await server.createUrl();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: url });
  t.regex((await cli.run("doctor")).output, /^ok +restored: neither NATS nor PostgreSQL is behind the other$/m);
  await using database = await openDatabase({ url });
  const mark = { number: 7, expected: undefined, positions: {}, locksRevision: 1 };
  await database.transaction((transaction) => writeStoreMark(transaction, mark));
  await writeNatsMark(muster.broker, { number: 3, expected: 0 });
  for (const _ of [1, 2]) {
    t.regex(
      (await cli.run("doctor")).output,
      /^BAD +restored: NATS was restored to an earlier state of 20\d\d-.*; start apps\/scheduler/m,
    );
  }
});
