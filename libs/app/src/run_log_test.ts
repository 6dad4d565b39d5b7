import { atLeastOnceFactory } from "@muster/tasks";
import { runTask } from "@muster/tasks/testing";
import test from "ava";
import { byRun, runLog } from "./run_log.ts";

interface Logging {
  log(message: string, fields: object): void;
}

const SayTask = atLeastOnceFactory<Logging>()({
  name: "SayTask",
  per: "vo",
  execute({ deps, vo }) {
    deps.log("said", { words: vo, task: "another" });
  },
});
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";

test("a line that is written in a run bears its task, id, VO, attempt and trace, and one outside of any run bears none", async (t) => {
  const lines: (readonly [message: string, fields: object])[] = [];
  const log = byRun((message, fields) => void lines.push([message, fields]));
  const options = { deps: () => ({ log }), middleware: [runLog] };
  const [a, b] = await Promise.all([
    runTask(SayTask, {
      ...options,
      vo: "lhcb",
      taskId: "a",
      headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
    }),
    runTask(SayTask, { ...options, vo: "atlas", taskId: "b", headers: { traceparent: "nonsense" } }),
  ]);
  log("alone", { words: "" });
  const info = { level: "info", message: "said" } as const;
  t.deepEqual(a.logged, [
    { ...info, fields: { words: "lhcb", task: "SayTask", taskId: "a", vo: "lhcb", attempt: 1, traceId } },
  ]);
  t.deepEqual(b.logged, [
    { ...info, fields: { words: "atlas", task: "SayTask", taskId: "b", vo: "atlas", attempt: 1 } },
  ]);
  t.deepEqual(lines, [["alone", { words: "" }]]);
});
