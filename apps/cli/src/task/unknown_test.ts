import test from "ava";
import { describeNewer } from "./unknown.ts";

test("a version of a payload that nobody knows is told with its task, count, VOs and age", (t) => {
  const oldestAt = new Date(Date.now() - 3_600_000).toISOString();
  const [line] = describeNewer([{ task: "MyPilotTask", version: 2, vos: ["atlas", "lhcb"], count: 7, oldestAt }]);
  t.regex(
    line ?? "",
    /^no running worker knows version 2 of MyPilotTask's payload: 7 tasks of atlas, lhcb, the oldest for .*; start a newer worker$/,
  );
});
