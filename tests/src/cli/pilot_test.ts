import { runSql } from "@muster/ledger/testing";
import { openDatabase } from "@muster/ledger";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";
import { mainFile } from "../support/built.ts";

const MAIN = mainFile("cli");
const server = await startTestServer();
const muster = await startMuster({ vos: ["lhcb"] });
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const INSERT = "insert into pilot (ce_name, vo, status, task_id, active_before, capacity_read) values";

test("pilots are listed newest first by VO, CE and status, a page at a time", async (t) => {
  const url = await server.createUrl();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: url });
  t.is((await cli.run("pilot", "list")).output, "There is no such pilot\n");
  await using database = await openDatabase({ url });
  await runSql(
    database,
    `${INSERT} ('ce01', 'lhcb', 'SUBMITTED', 'a', 0, 9), ('ce01', 'atlas', 'DONE', 'b', 0, 9),
       ('ce02', 'lhcb', 'FAILED', 'c', 0, 9), ('ce02', 'lhcb', 'RUNNING', 'd', 0, 9)`,
  );
  const listed = async (...args: string[]) => {
    const { pilots, next } = Object(await cli.json("pilot", "list", ...args));
    return [pilots.map(({ taskId }: { taskId: string }) => taskId).join(""), next === null ? "last" : "more"];
  };
  t.deepEqual(await listed(), ["dcba", "last"]);
  t.deepEqual(await listed("--limit", "2"), ["dc", "more"]);
  t.deepEqual(await listed("--vo", "lhcb", "--ce", "CE02"), ["dc", "last"]);
  t.deepEqual(await listed("--status", "done", "--status", "Failed"), ["cb", "last"]);
  t.deepEqual(await listed("--before", "3"), ["ba", "last"]);
  const { output } = await cli.run("pilot", "list", "--limit", "3");
  t.regex(output, /^ *4 +ce02 +lhcb +RUNNING +(?:now|\d+s) +d$/m);
  t.regex(output, /^3 pilots; older ones with --before 2$/m);
});

test("each change of a pilot's status is told as it happens, until Ctrl-C", async (t) => {
  const url = await server.createUrl();
  await using database = await openDatabase({ url });
  await runSql(database, `${INSERT} ('ce01', 'lhcb', 'RUNNING', 'a', 0, 9), ('ce01', 'atlas', 'RUNNING', 'x', 0, 9)`);
  const child = spawn(process.execPath, [MAIN, "pilot", "watch", "--vo", "lhcb"], {
    env: { ...process.env, NATS_URL: muster.nats.url, DATABASE_URL: url },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    if (lines.length === 1) {
      // It came and ended between two looks.
      await runSql(database, `${INSERT} ('ce02', 'lhcb', 'FAILED', 'b', 0, 9)`);
      await runSql(database, "update pilot set status = 'DONE', updated_at = now() where status = 'RUNNING'");
    }
    if (lines.length === 3) child.kill("SIGINT");
  }
  t.is((await closed)[0], 0);
  t.is(lines[0], "1 pilots are active; their changes follow");
  t.deepEqual(
    lines
      .slice(1)
      .map((line) => line.replace(/^\S+Z {2}/, ""))
      .sort(),
    ["pilot 1  ce01  lhcb  RUNNING -> DONE", "pilot 3  ce02  lhcb  FAILED"].sort(),
  );
});

test("a CE is listed with who holds its lock, and without that where NATS is away", async (t) => {
  const url = await server.createUrl();
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: url });
  for (const name of ["ce01.example.org", "ce02.example.org"]) await cli.run("ce", "add", name, "--capacity", "5");
  const holder = await muster.hold("my_pilot.ce01.example.org");
  const { output } = await cli.run("ce", "list");
  t.regex(output, /^ce01\.example\.org +enabled +5 +0 +0 +0 +1 +all +a test +\d+\.\d s$/m);
  t.regex(output, /^ce02\.example\.org +enabled .* all +-$/m);
  t.like(await cli.json("ce", "list"), [
    { lock: { worker: "a test", taskId: "a test's", waiting: 0 } },
    { lock: null },
  ]);
  await holder.letGo();
  const away = await commandsOn({ ...cli.env, NATS_URL: "nats://127.0.0.1:1" }).run("ce", "list");
  t.is(away.code, 0, "the CEs are in the database");
  t.regex(away.errors, /^Cannot tell who holds the CEs' locks: Cannot connect to NATS/);
  t.regex(away.output, /^ce01\.example\.org +enabled .* all +\?$/m);
  const { records } = Object(await cli.json("audit", "list", "--action", "ce"));
  t.like(records[1], { action: "ce.add", target: "ce01.example.org", detail: { capacity: 5, vos: null } });
});
