import type { Command } from "commander";
import test from "ava";
import { join } from "node:path";
import { createProgram } from "./program.ts";
import { bounded } from "./run/bounded.ts";
import { describeFailure, exitCodeOf, isTold } from "./run/failure.ts";

// Nobody listens there: whatever asks a server fails with 1.
process.env["NATS_URL"] = "nats://127.0.0.1:1";
process.env["DATABASE_URL"] = "postgres://nobody@127.0.0.1:1/nothing";
/** Files that hold JSON, and so YAML: one that is no configuration, and one that says nothing. */
const PACKAGE = join(import.meta.dirname, "..", "package.json");
const EMPTY = "/dev/null";
const SOME_CE = '{"ceName":"ce01"}';

/** Command lines that are wrong by themselves, and what each is told. */
const WRONG: readonly (readonly [error: RegExp, ...args: string[]])[] = [
  [/unknown command 'bogus'/, "bogus"],
  [/unknown option '--bogus'/, "doctor", "--bogus"],
  [/unknown option/, "migrate", "--now"],
  [/whole number from 0 to 65535/, "up", "--nats-port", "x"],
  [/both 5000/, "up", "--nats-port", "5000", "--postgres-port", "5000"],
  [/Seconds are a number/, "up", "--for", "1m"],
  [/"" as VO name: it is empty/, "vo", "add", ""],
  [/"a b" as VO name/, "vo", "add", "a b"],
  [/1 to 1000/, "vo", "add", "lhcb", "--weight", "0"],
  [/too many arguments/, "vo", "list", "lhcb"],
  [/"_" as VO name/, "vo", "remove", "_"],
  [/"ce 1" as the name of a CE/, "ce", "add", "ce 1", "--capacity", "1"],
  [/required option '--capacity/, "ce", "add", "ce1"],
  [/a number of at least 0/, "ce", "add", "ce1", "--capacity", "-1"],
  [/expected a whole number/, "ce", "add", "ce1", "--capacity", "1.5"],
  [/a number of at most 1/, "ce", "add", "ce1", "--capacity", "1", "--success-rate", "2"],
  [/"a b" as VO name/, "ce", "add", "ce1", "--capacity", "1", "--vo", "a b"],
  [/Nothing to change/, "ce", "change", "ce1"],
  [/"" as the name of a CE: it is empty/, "ce", "change", "", "--capacity", "1"],
  [/exclude each other/, "ce", "change", "ce1", "--vo", "lhcb", "--all-vos"],
  [/Write a number/, "ce", "change", "ce1", "--capacity", "many"],
  [/"" as the name of a CE: it is empty/, "ce", "enable", ""],
  [/"" as the name of a CE: it is empty/, "ce", "disable", ""],
  [/"" as the name of a CE: it is empty/, "ce", "remove", ""],
  [/unknown option/, "ce", "list", "--vo", "lhcb"],
  [/no task "Nope"; there are MyCheckPilotsTask/, "task", "publish", "Nope"],
  [/"No task" as task name/, "task", "publish", "No task", "--unchecked"],
  [/no JSON/, "task", "publish", "MyPilotTask", "{", "--vo", "lhcb"],
  [/not a JSON object/, "task", "publish", "MyPilotTask", "[]", "--vo", "lhcb"],
  [/ceName/, "task", "publish", "MyPilotTask", "{}", "--vo", "lhcb"],
  [/"a b" as the name of a CE/, "task", "publish", "MyPilotTask", '{"ceName":"a b"}', "--vo", "lhcb"],
  [/MyPilotTask is per VO; name one with --vo/, "task", "publish", "MyPilotTask", SOME_CE],
  [/is not per VO; leave --vo out/, "task", "publish", "MyPilotReportTask", "--vo", "lhcb"],
  [/task id: it is empty/, "task", "publish", "MyPilotReportTask", "--id", ""],
  [/whole number and a unit/, "task", "publish", "MyPilotReportTask", "--delay", "soon"],
  [/existing day/, "task", "publish", "MyPilotReportTask", "--at", "2027-02-30T12:00:00Z"],
  [/exclude each other/, "task", "publish", "MyPilotReportTask", "--delay", "1m", "--at", "2027-02-03T12:00:00Z"],
  [/need --unique/, "task", "publish", "MyPilotReportTask", "--replace"],
  [/exclude each other/, "task", "publish", "MyPilotReportTask", "--unique", "k", "--replace", "--debounce", "5s"],
  [
    /leave --delay and --at out/,
    "task",
    "publish",
    "MyPilotReportTask",
    "--unique",
    "k",
    "--debounce",
    "5s",
    "--delay",
    "1m",
  ],
  [/unique key: it is empty/, "task", "publish", "MyPilotReportTask", "--unique", ""],
  [/kept for 1s to 30d/, "task", "publish", "MyPilotReportTask", "--keep-result", "31d"],
  [/ceName/, "task", "call", "MyPilotTask", "{}", "--vo", "lhcb"],
  [/name one with --vo/, "task", "call", "MyPilotTask", SOME_CE],
  [/no task "Nope"/, "task", "call", "Nope"],
  [/too many arguments/, "task", "list", "MyPilotTask"],
  [/too many arguments/, "task", "delayed", "MyPilotTask"],
  [/task id: it is empty/, "task", "show", ""],
  [/missing required argument/, "task", "watch"],
  [/control character/, "task", "cancel", "a\nb"],
  [/too many arguments/, "group", "list", "group-1"],
  [/control character/, "group", "show", "a\nb"],
  [/whole number and a unit/, "task", "result", "an-id", "--wait", "long"],
  [/limit is a whole number/, "dead", "list", "--limit", "0"],
  [/named by its sequence/, "dead", "list", "--after", "-1"],
  [/named by its sequence/, "dead", "show", "last"],
  [/named by its sequence/, "dead", "requeue", "last"],
  [/It is empty; leave the option out/, "dead", "list", "--task", ""],
  [/It is empty; leave the option out/, "dead", "requeue", "--vo", ""],
  [/one of the three/, "dead", "requeue"],
  [/one of the three/, "dead", "requeue", "--all", "--vo", "lhcb"],
  [/too many arguments/, "outbox", "list", "order-1"],
  [/one of the two/, "outbox", "retry"],
  [/one of the two/, "outbox", "drop", "order-1", "--all"],
  [/too many arguments/, "lock", "list", "a", "b"],
  [/missing required argument/, "lock", "show"],
  [/It is empty/, "lock", "release", ""],
  [/no task "Nope"/, "schedule", "list", "--task", "Nope"],
  [/whole number from 1 to 100/, "schedule", "list", "--times", "0"],
  [/none of "every", "cron" and "rrule"/, "schedule", "set", "MyCheckPilotsTask", "evry 5s"],
  [/put it into quotes/, "schedule", "set", "MyCheckPilotsTask", "cron", "0", "6", "a.txt", "b.txt", "1"],
  [/put it into quotes/, "schedule", "set", "MyCheckPilotsTask", "0", "6", "1", "1", "1"],
  [/is not periodic/, "schedule", "set", "MyPilotTask", "every 5s"],
  [/is not per VO; leave --vo out/, "schedule", "reset", "MyPilotReportTask", "--vo", "lhcb"],
  [/no task "Nope"/, "schedule", "enable", "Nope"],
  [/"a b" as VO name/, "schedule", "disable", "MyCheckPilotsTask", "--vo", "a b"],
  [/--instance needs --vo/, "schedule", "pause", "MyCheckPilotsTask", "--instance", "default"],
  [/at most 500 characters/, "schedule", "pause", "MyCheckPilotsTask", "--reason", "x".repeat(501)],
  [/FREQ=DAYLY is none of/, "schedule", "set", "MyCheckPilotsTask", "rrule FREQ=DAYLY"],
  [/--payload needs --instance/, "schedule", "set", "MySubmitPilotsTask", "every 2h", "--payload", "{}"],
  [/Name one VO/, "schedule", "set", "MySubmitPilotsTask", "every 2h", "--vo", "lhcb", "--vo", "atlas"],
  [/no JSON/, "schedule", "set", "MySubmitPilotsTask", "every 2h", "--instance", "cern", "--payload", "{"],
  [
    /ceRegex: it is no regular expression/,
    ...["schedule", "set", "MySubmitPilotsTask", "every 2h", "--instance", "cern", "--payload", '{"ceRegex":"("}'],
  ],
  [/exclude each other/, "schedule", "disable", "MySubmitPilotsTask", "--instance", "cern", "--vo", "lhcb"],
  [/"a b" as schedule instance/, "schedule", "list", "--instance", "a b"],
  [/no time zone "Mars"/, "schedule", "next", "--zone", "Mars"],
  [/an existing day/, "schedule", "next", "--from", "2027-02-30T12:00:00Z"],
  [/whole number from 1 to 100/, "schedule", "next", "--times", "0"],
  [/no date ever matches/, "schedule", "next", "--rule", "cron 0 0 31 2 *"],
  [/no time ever matches/, "schedule", "next", "--rule", "rrule FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"],
  [/--rule stands for itself/, "schedule", "next", "MyCheckPilotsTask", "--rule", "every 5s"],
  [/no task "Nope"/, "schedule", "next", "Nope"],
  [/is not periodic/, "schedule", "trigger", "MyPilotTask", "--vo", "lhcb"],
  [/MyCheckPilotsTask is per VO; name one with --vo/, "schedule", "trigger", "MyCheckPilotsTask"],
  [/is not per VO; leave --vo out/, "schedule", "trigger", "MyPilotReportTask", "--vo", "lhcb"],
  [/"a b" as schedule instance/, "schedule", "resume", "MyCheckPilotsTask", "--vo", "lhcb", "--instance", "a b"],
  [/name a task, a VO with --vo, or both/, "queue", "pause"],
  [/no task "Nope"/, "queue", "pause", "Nope"],
  [/is not per VO; leave --vo out/, "queue", "pause", "MyPilotReportTask", "--vo", "lhcb"],
  [/at most 500 characters/, "queue", "pause", "MyPilotTask", "--reason", "x".repeat(501)],
  [/name a task, a VO with --vo, or both/, "queue", "resume"],
  [/"a b" as VO name/, "queue", "resume", "--vo", "a b"],
  [/too many arguments/, "queue", "list", "MyPilotTask"],
  [/too many arguments/, "config", "show", "lhcb"],
  [/required option '-f, --file/, "config", "diff"],
  [/nowhere\.yaml: there is no such file/, "config", "diff", "-f", "nowhere.yaml"],
  [/nowhere\.yaml: there is no such file/, "config", "apply", "-f", "nowhere.yaml", "--dry-run"],
  [/package\.json:2:3: name: unknown field/, "config", "apply", "-f", PACKAGE],
  [/it names no VO.*--allow-empty/, "config", "apply", "-f", EMPTY],
  [/whole number, as `muster config diff`/, "config", "apply", "-f", EMPTY, "--revision", "last"],
  [/too many arguments/, "config", "schema", "muster.yaml"],
  [/"a b" as the name of a CE/, "pilot", "summary", "--ce", "a b"],
  [/one of submitted, running, done, failed/, "pilot", "list", "--status", "lost"],
  [/whole number from 1 to 10000/, "pilot", "list", "--limit", "10001"],
  [/"a b" as VO name/, "pilot", "watch", "--vo", "a b"],
  [/"No task" as task name/, "worker", "list", "--task", "No task"],
  [/time from 1s to 1h/, "worker", "list", "--watch", "0s"],
  [/It is empty/, "worker", "drain", ""],
  [/one of the three/, "dead", "drop", "--yes"],
  [/one of the three/, "dead", "drop", "1", "--reason", "full"],
  [/whole number and a unit/, "dead", "drop", "--older-than", "long"],
  [/The count is a whole number/, "dead", "drop", "--all", "--yes", "most"],
  [/words with single dots between/, "pub", "tasks.*.lhcb"],
  [/words with single dots between/, "pub", "tasks..lhcb"],
  [/'Name: value', on one line/, "pub", "tasks.MyPilotTask.lhcb", "-H", "Nats-Msg-Id"],
  [/whole number from 1 to 1000/, "audit", "list", "--limit", "0"],
  [/Allowed choices are bash, zsh, fish/, "completion", "tcsh"],
  [/It is written as user=TaskA,TaskB/, "nats-users", "--worker", "w"],
  [/Allowed choices are table, wide, json, yaml/, "vo", "list", "--output", "xml"],
  [/cannot be used with option '--json'/, "vo", "list", "--output", "yaml", "--json"],
  [/required option '--vo/, "pilot", "write-off"],
];

/** One command line of each command that is right and fails, since no server answers. */
const RIGHT: readonly (readonly string[])[] = [
  ["nats-users"],
  ["migrate"],
  ["vo", "add", "lhcb"],
  ["vo", "list"],
  ["vo", "remove", "lhcb"],
  ["ce", "add", "ce1", "--capacity", "1"],
  ["ce", "list"],
  ["ce", "change", "ce1", "--capacity", "2"],
  ["ce", "enable", "ce1"],
  ["ce", "disable", "ce1"],
  ["ce", "remove", "ce1"],
  ["task", "publish", "MyPilotTask", SOME_CE, "--vo", "lhcb"],
  ["task", "call", "MyPilotTask", SOME_CE, "--vo", "lhcb"],
  ["task", "list"],
  ["task", "delayed"],
  ["task", "show", "an-id"],
  ["task", "watch", "an-id"],
  ["task", "result", "an-id"],
  ["task", "cancel", "an-id"],
  ["group", "list"],
  ["group", "show", "an-id"],
  ["dead", "list"],
  ["dead", "show", "1"],
  ["dead", "requeue", "1"],
  ["dead", "drop", "1", "--yes"],
  ["outbox", "list"],
  ["outbox", "retry", "order-1"],
  ["outbox", "drop", "--all"],
  ["schedule", "list"],
  ["schedule", "next"],
  ["schedule", "set", "MyCheckPilotsTask", "every", "5s"],
  ["schedule", "reset", "MyCheckPilotsTask"],
  ["schedule", "enable", "MyCheckPilotsTask"],
  ["schedule", "disable", "MyCheckPilotsTask", "--vo", "lhcb"],
  ["schedule", "pause", "MyCheckPilotsTask"],
  ["schedule", "resume", "MyCheckPilotsTask"],
  ["schedule", "trigger", "MyPilotReportTask"],
  ["queue", "pause", "MyPilotTask", "--vo", "lhcb"],
  ["queue", "resume", "--vo", "lhcb"],
  ["queue", "list"],
  ["worker", "list"],
  ["worker", "drain", "worker-1"],
  ["config", "show"],
  ["config", "diff", "-f", EMPTY],
  ["config", "apply", "-f", EMPTY, "--allow-empty"],
  ["lock", "list"],
  ["lock", "show", "my_pilot.ce1"],
  ["lock", "release", "my_pilot.ce1"],
  ["pilot", "summary"],
  ["pilot", "write-off", "--vo", "lhcb"],
  ["pilot", "list"],
  ["pilot", "watch"],
  ["pub", "tasks.MyPilotTask.lhcb", SOME_CE],
  ["audit", "list"],
];

function silence(command: Command, told: string[]): Command {
  command.configureOutput({ outputError: (text) => told.push(text), writeErr() {}, writeOut() {} });
  for (const each of command.commands) silence(each, told);
  return command;
}

/** Runs a command in this process; returns the exit code that it would have had, and its error. */
async function run(args: readonly string[]): Promise<{ readonly code: number; readonly error: string }> {
  const told: string[] = [];
  try {
    await silence(await createProgram(args), told).parseAsync(args, { from: "user" });
    return { code: 0, error: "" };
  } catch (error) {
    return { code: exitCodeOf(error), error: told.join("") + describeFailure(error) };
  }
}

interface Leaf {
  readonly name: string;
  readonly command: Command;
}

function leafCommands(command: Command, above: readonly string[] = []): Leaf[] {
  if (command.commands.length === 0) return [{ name: above.join(" "), command }];
  return command.commands.flatMap((each) => leafCommands(each, [...above, each.name()]));
}

function leavesOf(command: Command): string[] {
  return leafCommands(command).map(({ name }) => name);
}

/** Asserts that each command has a line in `lines`, but for `others`. */
async function missing(lines: readonly (readonly string[])[], others: readonly string[] = []): Promise<string[]> {
  const covered = lines.map((args) => args.join(" "));
  return leavesOf(await createProgram()).filter(
    (leaf) => !others.includes(leaf) && !covered.some((line) => `${line} `.startsWith(`${leaf} `)),
  );
}

test.serial("every command refuses a value that cannot be with 2, says which, and asks no server", async (t) => {
  t.deepEqual(await missing(WRONG.map(([, ...args]) => args)), []);
  for (const [told, ...args] of WRONG) {
    const { code, error } = await run(args);
    t.is(code, 2, `${args.join(" ")}: ${error}`);
    t.regex(error, told, args.join(" "));
  }
});

/** A value that an option refuses where it takes an empty one for its default, as it takes an empty variable; undefined: it takes any text. */
const REFUSED: ReadonlyMap<string, string | undefined> = new Map([
  ["up --data-dir", undefined],
  ["up --nats-port", "x"],
  ["up --postgres-port", "x"],
  ["up --http-port", "x"],
  ["up --dashboard-port", "x"],
]);

test.serial(
  "every option of every command that takes a value refuses one that cannot be with 2, and asks no server",
  async (t) => {
    let tried = 0;
    for (const { name, command } of leafCommands(await createProgram())) {
      const right = RIGHT.find((args) => `${args.join(" ")} `.startsWith(`${name} `)) ?? name.split(" ");
      for (const { long, required, optional } of command.options) {
        const option = `${name} ${long}`;
        const wrong = REFUSED.has(option) ? REFUSED.get(option) : "";
        if (!(required || optional) || wrong === undefined) continue;
        const args = [...right, long ?? "", wrong];
        const { code, error } = await run(args);
        t.is(code, 2, `${args.join(" ")}: ${error}`);
        t.notRegex(error, /Cannot (connect to NATS|reach the database)/, args.join(" "));
        tried++;
      }
    }
    t.true(tried > 150, `${tried}`);
  },
);

test.serial(
  "every command that was rightly written and fails ends with 1, and says nothing of trying again",
  async (t) => {
    // The doctor prints what it found, `muster up` starts servers of its own, and the schema needs none.
    t.deepEqual(await missing(RIGHT, ["doctor", "up", "config schema", "completion"]), []);
    for (const args of RIGHT) {
      const { code, error } = await run(args);
      t.is(code, 1, `${args.join(" ")}: ${error}`);
      t.regex(error, /^Cannot (connect to NATS|reach the database)/, args.join(" "));
      t.notRegex(error, /again/, args.join(" "));
    }
  },
);

/** Runs a command as a process does; returns all that it says of its failure. */
async function told(args: readonly string[]): Promise<string> {
  const said: string[] = [];
  const listen = (command: Command): void => {
    command.configureOutput({ writeErr: (text) => said.push(text), writeOut() {} });
    command.commands.forEach(listen);
  };
  try {
    const program = await createProgram(args);
    listen(program);
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!isTold(error)) said.push(bounded(describeFailure(error), args));
  }
  return said.join("");
}

test.serial(
  "no error repeats a value of the command line at length, whatever option or argument it was given to",
  async (t) => {
    const long = `${"x".repeat(50)} ${"y".repeat(50)}`.repeat(100);
    let tried = 0;
    for (const { name, command } of leafCommands(await createProgram())) {
      const right = RIGHT.find((args) => `${args.join(" ")} `.startsWith(`${name} `)) ?? name.split(" ");
      const options = command.options.filter(({ required, optional }) => required || optional);
      const lines = [
        ...options.map(({ long: option }) => [...right, option ?? "", long]),
        ...command.registeredArguments.map((_, index) => right.toSpliced(name.split(" ").length + index, 1, long)),
        [...right, `--${long}`],
      ];
      for (const args of name === "up" ? [] : lines) {
        const error = await told(args);
        t.true(error.length > 0 && error.length < 1_500, `${args.join(" ").slice(0, 80)}: ${error.slice(0, 200)}`);
        t.false(error.includes(long), args.join(" ").slice(0, 80));
        tried++;
      }
    }
    t.true(tried > 150, `${tried}`);
  },
);

test.serial("a setting that cannot be is refused with 2", async (t) => {
  process.env["HTTP_PORT"] = "many";
  const { code, error } = await run(["vo", "list"]);
  delete process.env["HTTP_PORT"];
  t.is(code, 2);
  t.regex(error, /HTTP_PORT is "many"/);
});

/** Settings of NATS that are wrong by themselves, and what is told. */
const WRONG_SETTINGS: readonly (readonly [told: RegExp, set: Readonly<Record<string, string>>])[] = [
  [/^Cannot use NATS_CREDS: it is "\/nowhere\/ops.creds", allowed is .*ENOENT/, { NATS_CREDS: "/nowhere/ops.creds" }],
  [/^Cannot use NATS_NKEY: .*begins with SU: none is there/, { NATS_NKEY: import.meta.filename }],
  [/^Cannot use NATS_NKEY: .*begins with SU: none is there/, { NATS_NKEY: "env://BAD_SEED", BAD_SEED: "SUA" }],
  [
    /^Cannot use NATS_CREDS: .*one way to log in: there is user "ops"/,
    { NATS_USER: "ops", NATS_PASSWORD: "s3cret", NATS_CREDS: import.meta.filename },
  ],
  [/NATS_CONTEXT is "nowhere", allowed is a context that can be read: .*ENOENT/, { NATS_CONTEXT: "nowhere" }],
];

test.serial(
  "a setting of NATS that cannot be is refused with 2 by every command, and no server is asked",
  async (t) => {
    for (const [told, set] of WRONG_SETTINGS) {
      Object.assign(process.env, set);
      for (const args of [...RIGHT, ["doctor"], ["up", "--for", "1"]]) {
        const { code, error } = await run(args);
        t.is(code, 2, `${args.join(" ")}: ${error}`);
        t.regex(error, told, args.join(" "));
        t.notRegex(error, /s3cret/);
      }
      for (const name of Object.keys(set)) delete process.env[name];
    }
  },
);
