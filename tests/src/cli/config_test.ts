import { atLeastOnceFactory } from "@muster/tasks";
import { readConfiguration } from "@muster/tasks/operate";
import test from "ava";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startMuster } from "../support/muster.ts";
import { commandsOn, runMuster } from "./run_muster.ts";

const defineTask = atLeastOnceFactory();
const folder = await mkdtemp(join(tmpdir(), "muster-config-"));
test.after.always(() => rm(folder, { recursive: true, force: true }));

let files = 0;

async function write(text: string): Promise<string> {
  const path = join(folder, `muster${++files}.yaml`);
  await writeFile(path, text);
  return path;
}

test("a file is shown as a difference, tried, applied and shown again; the VOs that it leaves out go, with their waiting tasks", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb", "cms"] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: "" });
  const MyPilotTask = defineTask({ name: "MyPilotTask", per: "vo", execute() {} });
  for (let count = 0; count < 3; count++) await muster.publish(MyPilotTask, { vo: "cms" });
  const file = await write(`vos:
  lhcb: { weight: 2 }
  vo.cta.in2p3.fr:
tasks:
  MyCheckPilotsTask:
    timeout: 5m
    vos:
      lhcb: { schedule: every 10s }
`);
  const difference = `From revision 1 to ${file}:
+ vos.vo.cta.in2p3.fr
- vos.cms: the VO is removed; 3 waiting tasks of it are dropped
+ vos.lhcb.weight: 2
+ tasks.MyCheckPilotsTask.timeout: 5m
+ tasks.MyCheckPilotsTask.vos.lhcb.schedule: every 10s
`;
  const before = await cli.run("config", "show");
  t.like(await cli.run("config", "diff", "-f", file), { code: 0, output: difference, errors: "" });
  t.like(await cli.run("config", "diff", "-f", file, "--exit-code"), { code: 1, output: difference });
  const dry = await cli.run("config", "apply", "-f", file, "--dry-run");
  t.like(dry, { code: 0, output: `${difference}Nothing was written: it was a dry run\n` });
  t.is((await cli.run("config", "show")).output, before.output);

  const stale = await cli.run("config", "apply", "-f", file, "--revision", "7");
  t.like(stale, { code: 1, output: "" });
  t.regex(stale.errors, /revision 1 is the newest one, and not 7; nothing was changed/);
  const applied = await cli.run("config", "apply", "-f", file, "--revision", "1");
  t.is(applied.code, 0, applied.errors);
  t.regex(applied.output, /waiting tasks of it are dropped[\s\S]*\nIn force as revision (\d+)\n$/);
  const { vos, tasks } = await readConfiguration(muster.broker);
  t.like(vos, {
    lhcb: { state: "active", weight: 2 },
    cms: { state: "removed" },
    "vo.cta.in2p3.fr": { state: "active" },
  });
  t.deepEqual(tasks, { MyCheckPilotsTask: { timeout: "5m", vos: { lhcb: { schedule: "every 10s" } } } });

  const shown = await cli.run("config", "show");
  t.regex(
    shown.output,
    /^# The configuration of revision \d+; .*\n# yaml-language-server: \$schema=muster\.schema\.json\nvos:\n {2}lhcb:/,
  );
  const again = await cli.run("config", "apply", "-f", await write(shown.output));
  t.regex(again.output, /says what revision \d+ says: no difference\nNothing was written\n$/);
  t.like(await cli.json("config", "apply", "-f", file), { dryRun: false, changes: [], warnings: [] });
});

test("a file without VOs is applied only with --allow-empty, and a wrong one is refused whole, also by diff", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb", "cms"] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: "" });
  for (const text of ["", "# nothing\n", "vos:\n", "vos: {}\n", "tasks: {}\n"]) {
    const refused = await cli.run("config", "apply", "-f", await write(text));
    t.like(refused, { code: 2, output: "" }, text);
    t.regex(refused.errors, /it names no VO, so all VOs would be removed.*give --allow-empty$/m);
  }
  const wrong = await write("vos:\n  lhcb: {}\n  atlas: {weight: 0}\ntasks:\n  T: {shedule: every 5s}\n");
  for (const verb of ["diff", "apply"]) {
    const refused = await cli.run("config", verb, "-f", wrong);
    t.like(refused, { code: 2, output: "" });
    t.is(refused.errors.split("\n").filter((line) => line.startsWith(`${wrong}:`)).length, 2, refused.errors);
  }
  t.deepEqual(Object.keys((await readConfiguration(muster.broker)).vos), ["lhcb", "cms"]);
  const emptied = await cli.run("config", "apply", "-f", await write("vos: {}\n"), "--allow-empty");
  t.is(emptied.code, 0, emptied.errors);
  t.deepEqual(await cli.json("vo", "list"), []);
});

test("what is probably misspelt is told with line and column, and is in force all the same", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  await muster.startWorker({ tasks: [defineTask({ name: "ServedTask", execute() {} })] });
  const cli = commandsOn({ NATS_URL: muster.nats.url, DATABASE_URL: "" });
  const file = await write(`vos: { lhcb: {} }
tasks:
  MyPilotTsk: { timeout: 5m }
  ServedTask: { timeout: 5m }
  MyPilotTask:
    vos: { lhbc: { timeout: 5m } }
  MyPilotReportTask:
    vos: { lhcb: { timeout: 5m } }
  MyCheckPilotsTask:
    timeout: 45s
    priority: background
    schedule: rrule FREQ=DAILY;UNTIL=19700102T000000Z
    instances: { more: { schedule: every 2h, vos: [lhcb, atlas] }, none: { schedule: every 2h, vos: [] } }
limits:
  my_pilto.ce01: { concurrency: 2 }
  site: { concurrency: 2 }
`);
  const { code, errors } = await cli.run("config", "apply", "-f", file);
  t.is(code, 0, errors);
  t.deepEqual(
    errors
      .trim()
      .split("\n")
      .map((line) => line.replaceAll(file, "FILE")),
    [
      "Warning: FILE:6:12: vos does not name lhbc, so what MyPilotTask has for it has no effect; did you mean lhcb?",
      "Warning: FILE:13:46: vos does not name atlas, so what MyCheckPilotsTask has for it has no effect",
      "Warning: FILE:15:3: this program knows no lock type my_pilto, so its limits may have no effect; did you mean my_pilot?",
      "Warning: FILE:12:5: tasks.MyCheckPilotsTask.schedule has ended, so it is never due again; give it a later end, or none",
      "Warning: FILE:13:96: tasks.MyCheckPilotsTask.instances.none.vos is empty, so it is never due; name VOs, or leave vos out for all",
      "Warning: FILE:8:12: MyPilotReportTask is not per VO, so what it has for lhcb has no effect",
      "Warning: FILE:3:3: neither this program nor a running worker knows task MyPilotTsk, so what it has may have no effect; did you mean MyPilotTask?",
    ],
  );
  const { tasks } = Object(await cli.json("task", "list"));
  const shown = tasks.find(({ name }: { readonly name: string }) => name === "MyCheckPilotsTask");
  t.like(shown, { timeoutMs: 45_000, priority: "background" }, "the list shows what is in force");
  t.like((await readConfiguration(muster.broker)).tasks, { MyPilotTsk: { timeout: "5m" } });
});

test("a file may come on standard input, and the schema is printed without any server", async (t) => {
  await using muster = await startMuster({ vos: ["lhcb"] });
  const env = { NATS_URL: muster.nats.url };
  const shown = await runMuster(["config", "show"], env);
  const piped = await runMuster(
    ["config", "diff", "-f", "-"],
    env,
    shown.output.replace("lhcb: {}", "lhcb: {weight: 3}"),
  );
  t.regex(piped.output, /^From revision 1 to standard input:\n\+ vos\.lhcb\.weight: 3$/m);
  const wrong = await runMuster(["config", "diff", "-f", "-"], env, "vso: {}");
  t.is(wrong.code, 2);
  t.regex(wrong.errors, /^standard input:1:1: vso: unknown field/m);
  const schema = await runMuster(["config", "schema"], { NATS_URL: "nats://127.0.0.1:1" });
  t.like(JSON.parse(schema.output), { title: "Muster configuration", type: "object" });
});
