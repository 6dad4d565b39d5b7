import { createLog } from "@muster/service";
import test from "ava";
import { openLogLines } from "./log_lines.ts";

test("off a terminal an app's lines pass as they are", (t) => {
  const written: string[] = [];
  const display = openLogLines(createLog({ name: "up", level: "silent", descriptor: 2 }), {
    write: (text) => written.push(text),
  });
  display.appLine("scheduler", '{"level":"info","msg":"ready"}');
  t.deepEqual(written, ['{"level":"info","msg":"ready"}\n']);
});
