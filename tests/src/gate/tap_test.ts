import test from "ava";
import { makeTapCounter } from "./tap.ts";

test("each line of TAP counts once, and a skipped test is neither passed nor failed", (t) => {
  const tap = makeTapCounter();
  const lines = [
    "TAP version 13",
    "ok 1 - good",
    "not ok 2 - bad",
    "  ---",
    "    message: ok 3",
    "ok 3 - later # SKIP",
  ];
  for (const line of [...lines, "1..3", "# pass 1", "# fail 1"]) tap.read(line);
  t.deepEqual(tap.counts(), { passed: 1, failed: 1, skipped: 1 });
});
