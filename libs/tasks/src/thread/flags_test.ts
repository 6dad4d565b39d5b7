import test from "ava";
import { flagsForThreads } from "./flags.ts";

test("a thread gets the flags by which its process loads modules, and none that would keep it from starting", (t) => {
  const given = [
    ...["--conditions=production", "-C", "site", "--import", "./hooks.js", "--enable-source-maps"],
    ...["--eval", "1", "--input-type=module", "--max-semi-space-size=8", "--inspect"],
  ];
  t.deepEqual(flagsForThreads(given), [
    ...["--conditions=production", "-C", "site", "--import", "./hooks.js", "--enable-source-maps"],
  ]);
});
