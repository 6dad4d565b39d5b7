import test from "ava";
import { outcome, runSql } from "@muster/ledger/testing";
import { startTestServer } from "../testing/mod.ts";
import { listHeardOfVos } from "./heard_of_vos.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("the VOs of pilots and of outcomes are told, each once, and not the one that stands for none", async (t) => {
  await using database = await server.open();
  t.deepEqual(await database.transaction(listHeardOfVos), []);
  for (const [id, vo] of [
    ["a", "lhcb"],
    ["b", "lhcb"],
    ["c", "vo.cta.in2p3.fr"],
    ["d", "_"],
  ] as const) {
    await database.ledger.record(outcome(id, { vo }));
  }
  await runSql(
    database,
    `insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read)
     values ('ce01', 'cms', 'DONE', 'p', 0, 1)`,
  );
  t.deepEqual(await database.transaction(listHeardOfVos), ["cms", "lhcb", "vo.cta.in2p3.fr"]);
});
