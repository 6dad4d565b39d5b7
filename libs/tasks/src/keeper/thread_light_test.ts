import test from "ava";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";

/** Writes the URL of each module that a process loads on its standard error. */
const TELL = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  import { writeSync } from "node:fs";
  registerHooks({
    load(url, context, next) {
      writeSync(2, "loads " + url + "\\n");
      return next(url, context);
    },
  });
`)}`;

// Each worker starts such a thread. zod alone added 80 ms of CPU to every start.
test("the keeper's thread loads no schema library and nothing that runs or schedules tasks", async (t) => {
  const child = spawn(process.execPath, ["--import", TELL, join(import.meta.dirname, "thread.ts")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const errors = await text(child.stderr);
  const loaded = errors.split("\n").flatMap((line) => /^loads (.*)$/.exec(line)?.[1] ?? []);
  t.true(
    loaded.some((url) => url.endsWith("/keeper/heartbeats.ts")),
    errors,
  );
  const foreign =
    /node_modules\/(?:zod|rrule-temporal|temporal-polyfill|cron-schedule)\/|\/src\/(?:run|worker|schedule|calendar|definition)\//;
  t.deepEqual(
    loaded.filter((url) => foreign.test(url)),
    [],
  );
});
