import test from "ava";
import { chmod, mkdir, mkdtempDisposable, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { addToCache } from "./cache.ts";
import { run } from "./run.ts";
import { NoNatsServerError, provisionNatsServer } from "./nats_server.ts";
import { isOlder, readNatsServerVersion, TRIED_NATS_SERVER } from "./nats_server_version.ts";
import { obtainFirst } from "./source.ts";

const testFolder = () => mkdtempDisposable(join(tmpdir(), "muster-provision-"));

test("versions are compared number by number", (t) => {
  t.true(isOlder("2.9.10", "2.12.0"));
  t.false(isOlder("2.12.0", "2.12.0"));
  t.false(isOlder("2.12.0-RC.1", "2.12.0"));
  t.false(isOlder("10.0.0", "2.12.0"));
});

test.serial("an old server named by NATS_SERVER is told of, and a newer one on PATH is taken", async (t) => {
  await using folder = await testFolder();
  const { NATS_SERVER, PATH = "" } = process.env;
  for (const [name, version] of [
    ["old", "2.9.10"],
    ["nats-server", "2.14.0"],
  ] as const) {
    await writeFile(join(folder.path, name), `#!/bin/sh\necho 'nats-server: v${version}'\n`);
    await chmod(join(folder.path, name), 0o755);
  }
  process.env["NATS_SERVER"] = join(folder.path, "old");
  process.env["PATH"] = `${folder.path}${delimiter}${PATH}`;
  const told: string[] = [];
  try {
    t.is(await provisionNatsServer((line) => told.push(line)), join(folder.path, "nats-server"));
  } finally {
    process.env["PATH"] = PATH;
    if (NATS_SERVER === undefined) delete process.env["NATS_SERVER"];
    else process.env["NATS_SERVER"] = NATS_SERVER;
  }
  t.is(told.length, 2);
  t.regex(told[0] ?? "", /^nats-server: not from NATS_SERVER: .*2\.9\.10.*2\.12\.0/);
  t.regex(told[1] ?? "", /nats-server is 2\.14\.0; Muster is tried with 2\.15\.1$/);
});

test.serial("what is got is the version that is tried: another one in a cache is passed over, and named", async (t) => {
  await using folder = await testFolder();
  const [first, second] = [join(folder.path, "first"), join(folder.path, "second", "muster")];
  for (const [cache, version] of [
    [first, "2.15.0"],
    [second, TRIED_NATS_SERVER],
  ] as const) {
    await mkdir(cache, { recursive: true, mode: 0o700 });
    await writeFile(join(cache, "nats-server"), `#!/bin/sh\necho 'nats-server: v${version}'\n`, { mode: 0o755 });
  }
  const { NATS_SERVER, PATH = "", MUSTER_CACHE, XDG_CACHE_HOME } = process.env;
  delete process.env["NATS_SERVER"];
  Object.assign(process.env, { PATH: "/bin", MUSTER_CACHE: first, XDG_CACHE_HOME: join(folder.path, "second") });
  const told: string[] = [];
  try {
    t.is(await readNatsServerVersion(await provisionNatsServer((line) => told.push(line))), TRIED_NATS_SERVER);
  } finally {
    for (const [name, value] of Object.entries({ NATS_SERVER, PATH, MUSTER_CACHE, XDG_CACHE_HOME })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
  t.true(told.some((line) => line.endsWith(`${first}: it is 2.15.0, and ${TRIED_NATS_SERVER} is what is tried`)));
});

test("a nats-server that has not changed is asked for its version once, and one that was replaced is asked again", async (t) => {
  await using folder = await testFolder();
  const [server, asked] = [join(folder.path, "nats-server"), join(folder.path, "asked")];
  const install = (version: string) =>
    writeFile(server, `#!/bin/sh\necho ${version} >> ${asked}\necho 'nats-server: v${version}'\n`, { mode: 0o755 });
  await install("2.15.1");
  for (let time = 0; time < 3; time++) t.is(await readNatsServerVersion(server), "2.15.1");
  await rm(server);
  await install("2.16.10");
  t.is(await readNatsServerVersion(server), "2.16.10");
  t.is(await readFile(asked, "utf8"), "2.15.1\n2.16.10\n");
});

test("each source that cannot serve says why in one line, and the next one is asked", async (t) => {
  const told: string[] = [];
  const broken = { name: "the first", obtain: () => Promise.reject(new Error("no route\nto host")) };
  const good = { name: "the second", obtain: async () => "/bin/true" };
  t.is(
    await obtainFirst("nats", [broken, good], { openCache: async () => "", progress: (line) => told.push(line) }),
    "/bin/true",
  );
  t.deepEqual(told, ["nats: not from the first: no route"]);
  t.deepEqual(await obtainFirst("nats", [broken], { openCache: async () => "", progress: () => {} }), [
    { source: "the first", reason: "no route" },
  ]);
});

test("when no source can serve, the error says what each one lacked and what to do by hand", (t) => {
  const { message } = new NoNatsServerError([{ source: "Go", reason: "there is no Go on this machine" }]);
  t.true(message.includes("Go: there is no Go on this machine"));
  t.true(message.includes("NATS_SERVER") && message.includes("https://github.com/nats-io/nats-server/releases"));
});

test("two processes that fill the cache at once leave one whole file and nothing else", async (t) => {
  await using folder = await testFolder();
  const program = { name: "program", file: "program", check: async () => {} };
  const fill = (text: string) => async (scratch: string) => {
    const file = join(scratch, "made");
    await writeFile(file, text);
    return file;
  };
  await Promise.all([
    addToCache(folder.path, program, fill("first")),
    addToCache(folder.path, program, fill("second")),
  ]);
  t.deepEqual(await readdir(folder.path), ["program"]);
  t.true(["first", "second"].includes(await readFile(join(folder.path, "program"), "utf8")));
});

test("what is not the program that is wanted never gets into the cache", async (t) => {
  await using folder = await testFolder();
  const program = { name: "program", file: "program", check: () => Promise.reject(new Error("too old")) };
  await t.throwsAsync(
    addToCache(folder.path, program, async (scratch) => scratch),
    { message: "too old" },
  );
  t.deepEqual(await readdir(folder.path), []);
});

test("a demand to stop ends the command that is running, and no other source is asked", async (t) => {
  const stop = new AbortController();
  const asked: string[] = [];
  const slow = {
    name: "the slow one",
    async obtain() {
      const running = run("sleep", ["60"], { timeoutMs: 60_000, signal: stop.signal });
      stop.abort(new Error("told to stop"));
      return await running;
    },
  };
  const next = { name: "the next one", obtain: async () => String(asked.push("next")) };
  const errand = { openCache: async () => "", progress: () => {}, signal: stop.signal };
  await t.throwsAsync(obtainFirst("nats", [slow, next], errand), { message: "told to stop" });
  t.deepEqual(asked, []);
});
