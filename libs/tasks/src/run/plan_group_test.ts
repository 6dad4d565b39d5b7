import test from "ava";
import type { GroupChild } from "../definition/group.ts";
import { noRetry } from "../definition/retry.ts";
import { atLeastOnceFactory } from "../definition/task.ts";
import { runTask } from "../testing/run_task.ts";

const defineLooseTask = atLeastOnceFactory();

test("a group is refused as a whole where it cannot be: a key twice, a deadline in the past or too far, a child after it", async (t) => {
  const day = 86_400_000;
  const ChildTask = defineLooseTask({ name: "ChildTask", per: "vo", execute() {} });
  const Then = defineLooseTask({ name: "Then", per: "vo", execute() {} });
  const groups: readonly { children: GroupChild[]; deadline?: Date; because: RegExp }[] = [
    { children: [{ task: ChildTask, key: "1" }, { task: ChildTask }], because: /its key "1" is there twice/ },
    { children: [{ task: ChildTask, key: "k".repeat(201) }], because: /a key has 201 bytes; 200 are the limit/ },
    { children: [], deadline: new Date(Date.now() - day), because: /give a time from now to/ },
    { children: [], deadline: new Date(Date.now() + 31 * day), because: /give a time from now to/ },
    { children: [], deadline: new Date(Number.NaN), because: /the deadline no time/ },
    { children: [{ task: ChildTask, at: new Date(Date.now() + 8 * day) }], because: /after the group's deadline/ },
  ];
  for (const { children, deadline, because } of groups) {
    const FanTask = defineLooseTask({
      name: "FanTask",
      per: "vo",
      retry: noRetry(),
      execute: ({ spawnGroup }) => spawnGroup(children, { then: Then, ...(deadline && { deadline }) }),
    });
    const { kind, error, spawned } = await runTask(FanTask, { vo: "lhcb" });
    t.is(kind, "dead");
    t.regex(String(error), because);
    t.deepEqual(spawned, []);
  }
});

test("a group's id follows from its content, and its children's ids from the group's", async (t) => {
  const ChildTask = defineLooseTask({ name: "ChildTask", per: "vo", execute() {} });
  const Then = defineLooseTask({ name: "Then", per: "vo", execute() {} });
  const idsOf = async (...keys: readonly string[]) => {
    const FanTask = defineLooseTask({
      name: "FanTask",
      per: "vo",
      execute({ spawnGroup }) {
        const children = keys.map((key) => ({ task: ChildTask, key, ...(key === "abroad" && { vo: "atlas" }) }));
        return [spawnGroup(children, { then: Then }), spawnGroup(children, { then: Then, key: "second" })];
      },
    });
    const { spawned, result } = await runTask(FanTask, { vo: "lhcb", taskId: "fan" });
    return { ids: spawned.map(({ taskId }) => taskId), groups: result as readonly string[] };
  };
  const one = await idsOf("a", "b", "abroad");
  const [first = "", second = ""] = one.groups;
  t.regex(first, /^fan\/group\/[\w-]{22}$/);
  t.regex(second, /^fan\/second\/[\w-]{22}$/);
  t.deepEqual(one.ids.slice(0, 2), [`${first}/a`, `${first}/b`]);
  t.regex(one.ids[2] ?? "", /^ChildTask\/atlas\/[\w-]{22}$/);
  t.is(one.ids[3], `${first}/then`);
  t.deepEqual(await idsOf("a", "b", "abroad"), one);
  const other = await idsOf("a", "c", "abroad");
  t.is(other.ids.filter((id) => one.ids.includes(id)).length, 0);
});
