import { startTestNatsServer } from "@muster/local";
import test from "ava";
import { connectNats } from "./connection.ts";
import { isCovered, mayPublish } from "./own_rights.ts";

test("a pattern covers its subjects and narrower patterns, and no wider ones", (t) => {
  for (const [pattern, subject] of [
    ["tasks.>", "tasks.A.lhcb"],
    ["tasks.*.lhcb", "tasks.A.lhcb"],
    ["tasks.*.lhcb", "tasks.*.lhcb"],
    ["$JS.API.INFO", "$JS.API.INFO"],
    [">", "tasks.>"],
    ["tasks.>", "tasks.*"],
  ] as const) {
    t.true(isCovered(pattern, subject), `${pattern} ${subject}`);
  }
  for (const [pattern, subject] of [
    ["tasks.>", "tasks"],
    ["tasks.*.lhcb", "tasks.A.atlas"],
    ["tasks.*.lhcb", "tasks.A.vo.lhcb"],
    ["tasks.*", "tasks.>"],
    ["tasks.A.lhcb", "tasks.*.lhcb"],
    ["tasks.A", "tasks.A.lhcb"],
  ] as const) {
    t.false(isCovered(pattern, subject), `${pattern} ${subject}`);
  }
});

test("a connection knows what its user may publish, and takes everything for permitted where nobody tells", async (t) => {
  const users = `authorization { users: [
    { user: "all", password: "p" }
    { user: "some", password: "p", permissions: { publish: { allow: ["a.*", "$SYS.REQ.USER.INFO"], deny: "a.b" } } }
    { user: "untold", password: "p", permissions: { publish: "a.*" } }
  ] }\n`;
  await using server = await startTestNatsServer({ moreConfig: users });
  const found: Record<string, readonly boolean[]> = {};
  for (const user of ["all", "some", "untold"]) {
    const nc = await connectNats({ url: server.url, user, password: "p", name: "test" });
    t.teardown(() => nc.close());
    found[user] = await Promise.all(["a.a", "a.b", "b"].map((subject) => mayPublish(nc, subject)));
  }
  t.deepEqual(found, { all: [true, true, true], some: [true, false, false], untold: [true, true, true] });
});
