import { runSql } from "@muster/ledger/testing";
import { startTestServer } from "@muster/logic/testing";
import { openDatabase } from "@muster/ledger";
import { headers as newHeaders } from "@nats-io/transport-node";
import test from "ava";
import { startMuster } from "../support/muster.ts";
import { commandsOn } from "./run_muster.ts";

const server = await startTestServer();
const muster = await startMuster({ vos: ["lhcb"] });
test.after.always(async () => {
  await muster[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
const openCli = async (url?: string) =>
  commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: url ?? (await server.createUrl()) });

/** Reverses the text after it and begins a colour. A terminal must never receive it unescaped. */
const TURN = "\u202E";
const RED = "\u001B[31m";

/** Puts a dead letter into the stream as anybody may. */
async function putLetter(subject: string, fields: Readonly<Record<string, string>>): Promise<number> {
  const headers = newHeaders();
  for (const [key, value] of Object.entries(fields)) headers.set(key, value);
  return (await muster.broker.js.publish(subject, "{}", { headers })).seq;
}

test("a dead letter that never was a task stays, is told with its reason, and the command ends with 1", async (t) => {
  const cli = await openCli();
  const sequence = await putLetter("dead.NoVoTask._", {
    "Task-Id": "no vo",
    "Dead-Subject": "tasks.NoVoTask",
    "Dead-Reason": "it names no VO",
  });
  const all = await cli.run("dead", "requeue", "--task", "NoVoTask");
  t.is(all.code, 1);
  t.regex(all.output, /^stays dead: no vo: .*it names no VO/);
  t.regex(all.output, /requeued 0 of 1 dead letter\n$/);
  const tried = await cli.run("dead", "requeue", "--task", "NoVoTask", "--dry-run");
  t.deepEqual([tried.code, tried.output], [1, all.output.replace(/requeued 0 of 1.*/, "would requeue 0 dead letters")]);
  const one = await cli.run("dead", "requeue", String(sequence));
  t.deepEqual([one.code, one.output], [all.code, all.output], "by its sequence as by a filter");
  t.like(await cli.json("dead", "list", "--task", "NoVoTask"), { total: 1, letters: [{ taskId: "no vo" }] });
});

test("what the outbox sets aside is told by doctor, listed with its reason, and retried or dropped by its id", async (t) => {
  const url = await server.createUrl();
  const cli = await openCli(url);
  t.regex((await cli.run("outbox", "list")).output, /^0 tasks wait to be published; none was set aside/);
  await using database = await openDatabase({ url });
  await runSql(
    database,
    `insert into task_outbox (task, task_id, refused_at, reason, created_at)
     select 'MyPilotTask', id, case when id <> 'late' then now() end, 'it is ${TURN}', now() - interval '2 minutes'
     from unnest(array['one', 'two', 'late']) id`,
  );
  const doctor = await cli.run("doctor");
  t.regex(doctor.output, /^BAD {3}outbox: 1 task .* nobody brings them to NATS/m);
  t.regex(doctor.output, /^WARN {2}outbox: 2 tasks cannot be published as they are/m);
  const listed = await cli.run("outbox", "list");
  t.regex(listed.output, /MyPilotTask .*one .*2 tasks set aside; 1 task waits/s);
  t.false(listed.output.includes(TURN));
  t.like(await cli.json("outbox", "retry", "one"), { retried: ["one"], missing: [] });
  const dropped = await cli.run("outbox", "drop", "two", "late");
  t.is(dropped.code, 1);
  t.is(dropped.output, "was not set aside: late\ndropped 1 task\n");
  t.like(await cli.json("outbox", "list"), { waiting: 2, refused: [] });
});

test("a dead letter that somebody published by hand is told with its sequence and what it lacks, also by a dry run", async (t) => {
  const cli = await openCli();
  const bare = await putLetter("dead.HandTask.*", {});
  const nameless = await putLetter("dead.HandTask.lhcb", { "Dead-Subject": "tasks.HandTask.lhcb" });
  for (const options of [[], ["--dry-run"]]) {
    for (const which of [
      ["--task", "HandTask"],
      [String(bare), String(nameless)],
    ]) {
      const { code, output } = await cli.run("dead", "requeue", ...which, ...options);
      t.is(code, 1);
      for (const [sequence, header] of [
        [bare, "Dead-Subject"],
        [nameless, "Task-Id"],
      ] as const) {
        const lacks = `header ${header} of dead letter ${sequence}: it is missing; publish the task anew, and delete the letter`;
        t.true(output.includes(`stays dead: dead letter ${sequence}: Cannot use "" as ${lacks}`), output);
      }
      t.regex(output, /^(requeued 0 of 2|would requeue 0) dead letters$/m);
    }
  }
  for (const sequence of [bare, nameless]) await muster.broker.jsm.streams.deleteMessage("DEAD", sequence);
});

test("what turns text around or colours it is shown as its code in every cell and field of the command's output", async (t) => {
  const url = await server.createUrl();
  const cli = await openCli(url);
  const sequence = await putLetter("dead.LoudTask.lhcb", {
    "Task-Id": `id ${TURN}`,
    "Dead-Subject": "tasks.LoudTask.lhcb",
    "Dead-Reason": `reason ${TURN}`,
    "X-Loud": `header ${TURN}`,
  });
  await using database = await openDatabase({ url });
  await runSql(
    database,
    `insert into compute_element (name, capacity, success_rate) values ('ce ${TURN}', 1, 1), ('ce ${RED}', 1, 1)`,
  );
  const outputs = await Promise.all([
    cli.run("dead", "list", "--task", "LoudTask"),
    cli.run("dead", "show", String(sequence)),
    cli.run("ce", "list"),
  ]);
  for (const { code, output, errors } of outputs) {
    t.is(code, 0, errors);
    t.false(output.includes(TURN) || output.includes("\u001B"), JSON.stringify(output));
  }
  const [list, shown, ces] = outputs.map(({ output }) => output);
  t.regex(list ?? "", /id \\u202e.*reason \\u202e/i);
  t.regex(shown ?? "", /X-Loud +header \\u202e/i);
  t.regex(ces ?? "", /ce \\u202e/i);
  t.regex(ces ?? "", /ce \\x1b\[31m/i);
});

test("an id that several VOs have used stands in the list once for each of them, in the order of the letters", async (t) => {
  const cli = await openCli();
  const put = (vo: string, id: string) =>
    putLetter(`dead.TwiceTask.${vo}`, { "Task-Id": id, "Dead-Subject": `tasks.TwiceTask.${vo}`, "Dead-Reason": "no" });
  const first = await put("lhcb", "same");
  await put("lhcb", "again");
  const other = await put("atlas", "same");
  const again = await put("lhcb", "again");
  const { letters } = (await cli.json("dead", "list", "--task", "TwiceTask")) as { letters: { sequence: number }[] };
  t.deepEqual(
    letters.map(({ sequence }) => sequence),
    [first, other, again],
  );
});
