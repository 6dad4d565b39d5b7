import test from "ava";
import { spawn } from "node:child_process";
import { mkdtempDisposable, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const MAIN = join(import.meta.dirname, "main.ts");

/**
 * Writes the URL of each module that a process loads on its standard error. They are more than a pipe holds, so a write waits while nobody
 * reads.
 */
const TELL = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  import { writeSync } from "node:fs";
  function tell(line) {
    for (let left = Buffer.from(line); left.length > 0; ) {
      try {
        left = left.subarray(writeSync(2, left));
      } catch (error) {
        if (error.code !== "EAGAIN") throw error;
      }
    }
  }
  registerHooks({
    load(url, context, next) {
      if (!url.startsWith("node:")) tell("loads " + url + "\\n");
      return next(url, context);
    },
  });
`)}`;

const NO_SERVERS = { NATS_URL: "nats://127.0.0.1:1", DATABASE_URL: "postgres://nobody@127.0.0.1:1/nothing" };

/** Runs a command where no server answers. Returns its exit code, its output, and the modules that it has loaded. */
async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ["--import", TELL, MAIN, ...args], {
    env: { ...process.env, ...NO_SERVERS, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const [code, output, errors] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
  const loaded = errors.split("\n").flatMap((line) => /^loads (.*)$/.exec(line)?.[1] ?? []);
  return { code, output, errors, loaded };
}

test("--version loads three files, and prints the version", async (t) => {
  const { code, output, loaded } = await run(["--version"]);
  t.is(code, 0);
  t.regex(output, /^\d+\.\d+\.\d+\n$/);
  t.deepEqual(
    loaded.map((url) => url.replace(/.*\/src\//, "")),
    ["main.ts", "run/compiled_code.ts", "version.ts"],
  );
});

test("a command that asks NATS alone loads neither MikroORM, nor a driver of PostgreSQL, nor another group's commands", async (t) => {
  const { code, errors, loaded } = await run(["vo", "list"]);
  t.is(code, 1);
  t.true(errors.includes("Cannot connect to NATS"), errors);
  t.true(loaded.some((url) => url.endsWith("/vo/command.ts")));
  const foreign = /node_modules\/(?:@mikro-orm|kysely|pg|prom-client)\/|\/cli\/src\/(?:up|ce|task|dead|doctor)\//;
  t.deepEqual(
    loaded.filter((url) => foreign.test(url)),
    [],
  );
});

test("compiled code is kept in the user's cache folder, and a folder that cannot be made stops nothing", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-light-"));
  const kept = await run(["--version"], { NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: folder.path });
  t.is(kept.code, 0);
  t.deepEqual((await readdir(join(folder.path, "muster", "compiled"))).length, 1);
  const nowhere = await run(["--version"], { NODE_COMPILE_CACHE: undefined, XDG_CACHE_HOME: "/dev/null/cache" });
  t.deepEqual([nowhere.code, nowhere.output], [0, kept.output]);
  t.notRegex(nowhere.errors, /^(?!loads )./m);
});
