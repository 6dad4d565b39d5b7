import test, { type ExecutionContext } from "ava";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageError } from "../run/failure.ts";
import { readFile } from "./check_file.ts";

const folder = await mkdtemp(join(tmpdir(), "muster-wrong-files-"));
test.after.always(() => rm(folder, { recursive: true, force: true }));

let files = 0;

/** What is told of a file, without its name; undefined: it can be applied. */
async function toldOf(content: string | Uint8Array): Promise<string | undefined> {
  const path = join(folder, `file${++files}.yaml`);
  await writeFile(path, content);
  try {
    await readFile(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.message.replaceAll(path, "FILE");
  }
}

type Wrong = readonly [content: string | Uint8Array, place: string, told: RegExp];

async function assertTold(t: ExecutionContext, wrong: readonly Wrong[]): Promise<void> {
  for (const [content, place, told] of wrong) {
    const shown = JSON.stringify(String(content).slice(0, 80));
    const message = await toldOf(content);
    if (message === undefined) {
      t.fail(`${shown} was taken`);
      continue;
    }
    const line = message.split("\n").find((each) => each.startsWith(`FILE:${place}: `));
    t.truthy(line, `${shown} is wrong at ${place}, and it was told:\n${message}`);
    t.regex(line ?? "", told, shown);
  }
}

/** A task with one wrong field, on line 3 from column 5. */
const inTask = (field: string): string => `tasks:\n  MyTask:\n    ${field}\n`;
/** A VO with one wrong field, on line 3 from column 5. */
const inVo = (field: string): string => `vos:\n  lhcb:\n    ${field}\n`;

const TABS = /tabs are not allowed for indentation; write spaces/;
const NOT_YAML: readonly Wrong[] = [
  ["vos: {lhcb: {}", "1:15", /flow map/i],
  ["vos: [", "1:7", /flow sequence/i],
  ["vos:\n\tlhcb: {}", "2:1", TABS],
  ["\tvos: {}", "1:1", TABS],
  ["vos:\n  lhcb: {}\n \tcms: {}", "3:2", TABS],
  ["vos:\n  lhcb: {\n\tweight: 2}", "3:1", TABS],
  ["vos:\n  lhcb:\n    weight:\n\t2", "4:1", TABS],
  ["tasks:\n  MyTask:\n    schedule: |\n\t  every 5s", "4:1", TABS],
  ["vos:\n  lhcb: {}\n cms: {}", "3:1", /same column/],
  ["vos:\n  lhcb: {}\n    cms: {}", "3:1", /same column/],
  ["vos: lhcb: {}", "1:6", /Nested mappings/],
  ["vos:\n  lhcb\n  cms: {}", "2:3", /Implicit keys|followed by map values/],
  ['vos: {lhcb: "}', "1:15", /closing "quote/],
  ["vos: {lhcb: '}", "1:15", /closing 'quote/],
  ["vos: @lhcb", "1:6", /reserved character @/],
  ["vos: `lhcb`", "1:6", /reserved character `/],
  ["vos: %lhcb", "1:6", /directive indicator/],
  ['vos: "\\q"', "1:7", /escape sequence/],
  ["vos: {lhcb: {}}}", "1:16", /Unexpected|flow/i],
  ["vos: {}\n---\nvos: {}", "2:1", /second document/],
  ["vos: {}\n...\nvos: {}", "3:1", /second document/],
  ["%YAML 1.1\n---\nvos: {}", "1:1", /it is YAML 1\.1/],
  ["vos: |\n  lhcb\n cms", "3:1", /same column/],
  ["- vos\nlhcb: {}", "2:1", /./],
  ["vos: {lhcb: {}, cms {}}", "1:21", /Missing , or :/],
  ["? [vos]\n: {}", "1:3", /key must be a text/],
  ["? {vos: 1}\n: {}", "1:3", /key must be a text/],
  ["{", "1:2", /./],
  ["}", "1:1", /./],
  ["]", "1:1", /./],
  // The parser calls itself, and the stack of a process has room for some 800 to 4,000 calls of it.
  [`${"- ".repeat(20_000)}x`, "1:1", /: it nests deeper than 32 levels$/],
  [`${"[{a: ".repeat(10_000)}`, "1:1", /: it nests deeper than 32 levels$/],
  [`${"[".repeat(300)}`, "1:301", /./],
  [`${"[".repeat(500)}${"]".repeat(500)}`, "1:33", /deeper than 32/],
  [`${"{a: ".repeat(500)}${"}".repeat(500)}`, "1:129", /deeper than 32/],
];

const NOT_TAKEN: readonly Wrong[] = [
  ["vos: &all\n  lhcb: {}", "2:3", /anchor/],
  ["vos:\n  lhcb: &one {weight: 1}\n  cms: *one", "3:8", /alias/],
  ["vos:\n  lhcb: &one {weight: 1}\n  cms: *one", "2:14", /anchor/],
  ["a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]", "2:8", /alias/],
  ["vos:\n  &a lhcb: {}\n  *a : {}", "3:3", /alias/],
  ["vos:\n  lhcb: {<<: {weight: 1}}", "2:10", /unknown field "<<"/],
  ["vos: !!map {lhcb: {}}", "1:12", /tag/],
  ["vos:\n  lhcb: {weight: !!int 1}", "2:24", /tag/],
  ["vos: !lhcb {}", "1:12", /tag/],
  ["vos:\n  lhcb: {}\n  lhcb: {}", "3:3", /stands here twice/],
  ['vos:\n  lhcb: {}\n  "lhcb": {}', "3:3", /stands here twice/],
  ['vos:\n  123: {}\n  "123": {}', "3:3", /stands here twice/],
  ["vos: {}\nvos: {}", "2:1", /stands here twice/],
  [inTask("timeout: 1m\n    timeout: 2m"), "4:5", /stands here twice/],
  ['{"vos": {"lhcb": {}, "lhcb": {}}}', "1:22", /stands here twice/],
  ["vos:\n  __proto__: {}", "2:3", /no name of a field/],
  ["vos:\n  lhcb: {}\n\u0000", "3:1", /control character "\\u0000"/],
  ["vos:\n  lh\u0000cb: {}", "2:5", /control character/],
  ["vos:\n  lhcb: {} # \u001b[31m", "2:14", /control character "\\u001b"/],
  ["vos:\u007f {}", "1:1", /expected an object, found a text/],
];

const WRONG_FORM: readonly Wrong[] = [
  ["vos", "1:1", /expected an object, found a text/],
  ["42", "1:1", /expected an object, found a number/],
  ["true", "1:1", /expected an object/],
  ["- lhcb", "1:1", /expected an object, found a list/],
  ['"vos: {}"', "1:1", /expected an object/],
  ["vos: lhcb", "1:6", /expected an object, found a text .*"lhcb"/],
  ["vos: [lhcb, cms]", "1:6", /expected an object, found a list/],
  ["vos: 3", "1:6", /expected an object, found a number/],
  ["vos: true", "1:6", /expected an object/],
  ["vos:\n  - lhcb", "2:3", /expected an object, found a list/],
  ["vos:\n  lhcb: 2", "2:9", /vos\.lhcb: .*expected an object, found a number/],
  ["vos:\n  lhcb: active", "2:9", /expected an object, found a text/],
  ["vos:\n  lhcb: []", "2:9", /expected an object, found a list/],
  ["tasks: MyTask", "1:8", /expected an object/],
  ["tasks: []", "1:8", /expected an object/],
  ["tasks:\n  MyTask: every 5s", "2:11", /expected an object/],
  ["tasks:\n  MyTask:\n", "2:10", /expected an object, found null/],
  ["version: 2\nvos: {}", "1:10", /version 2, and this program knows version 1; upgrade/],
  ["version: 99", "1:10", /version 99/],
  ["version: 0", "1:10", /version/],
  ['version: "1"', "1:10", /version/],
  ["version: 1.5", "1:10", /version 1\.5/],
  ["vso: {}", "1:1", /unknown field "vso"; did you mean "vos"/],
  ["VOs: {}", "1:1", /unknown field "VOs"; did you mean "vos"/],
  ["task: {}", "1:1", /unknown field "task"; did you mean "tasks"/],
  ["createdAt: 2027-01-31T12:00:00Z", "1:1", /unknown field "createdAt"/],
  ["something: else", "1:1", /unknown field "something"; Known here are version, vos, tasks/],
  [": {}", "1:1", /unknown field ""/],
];

const WRONG_VOS: readonly Wrong[] = [
  ["vos:\n  a b: {}", "2:3", /"a b" as VO name: it holds " "/],
  ["vos:\n  _: {}", "2:3", /"_" as VO name/],
  ["vos:\n  lhcb.: {}", "2:3", /"lhcb\." as VO name/],
  ["vos:\n  a..b: {}", "2:3", /"a\.\.b" as VO name/],
  ['vos:\n  "": {}', "2:3", /"" as VO name: it is empty/],
  ["vos:\n  lhcb/prod: {}", "2:3", /it holds "\/"/],
  ["vos:\n  löwe: {}", "2:3", /it holds "ö"/],
  ['vos:\n  ">": {}', "2:3", /it holds ">"/],
  ['vos:\n  "*": {}', "2:3", /it holds "\*"/],
  ["vos:\n  ~: {}", "2:3", /it holds "~"/],
  [`vos:\n  ${"x".repeat(129)}: {}`, "2:3", /it has 129 characters/],
  [inVo("weight: 0"), "3:13", /of at least 1 \(it is 0\)/],
  [inVo("weight: -1"), "3:13", /at least 1/],
  [inVo("weight: 1001"), "3:13", /at most 1000/],
  [inVo("weight: 1.5"), "3:13", /expected a whole number/],
  [inVo("weight: .inf"), "3:13", /\.inf is no number that JSON has/],
  [inVo("weight: .nan"), "3:13", /\.nan is no number that JSON has/],
  [inVo("weight: 1e400"), "3:13", /1e400 is no number that JSON has/],
  [inVo('weight: "2"'), "3:13", /expected a number, found a text/],
  [inVo("weight: two"), "3:13", /expected a number, found a text .*"two"/],
  [inVo("weight: 1_000"), "3:13", /expected a number/],
  [inVo("weight: true"), "3:13", /expected a number/],
  [inVo("weight: [1]"), "3:13", /expected a number, found a list/],
  [inVo("weight:"), "3:12", /found null.*leave the field out/],
  [inVo("wieght: 2"), "3:5", /unknown field "wieght"; did you mean "weight"/],
  [inVo("state: active"), "3:5", /unknown field "state"/],
  [inVo("changedAt: 2027-01-31T12:00:00Z"), "3:5", /unknown field "changedAt"/],
];

const WRONG_TASKS: readonly Wrong[] = [
  [inTask("concurrency: '5'"), "3:18", /whole number from 1 to 1,000, or unlimited \(it is "5"\)/],
  [inTask("concurrency: Unlimited"), "3:18", /whole number from 1 to 1,000, or unlimited/],
  [inTask("concurrency: true"), "3:18", /whole number from 1 to 1,000, or unlimited/],
  [inTask("concurrency: 0"), "3:18", /whole number from 1 to 1,?000/],
  [inTask("concurrency: .inf"), "3:18", /\.inf is no number that JSON has/],
  [inTask("concurrency: 1e400"), "3:18", /1e400 is no number that JSON has/],
  ["tasks:\n  2Task: {}", "2:3", /"2Task" as task name/],
  ["tasks:\n  My.Task: {}", "2:3", /"My\.Task" as task name: it holds "\."/],
  ['tasks:\n  "": {}', "2:3", /task name: it is empty/],
  ["tasks:\n  My Task: {}", "2:3", /it holds " "/],
  [inTask("enabled: yes"), "3:14", /expected true or false.*"yes".*write true or false/],
  [inTask("enabled: off"), "3:14", /write true or false/],
  [inTask("enabled: 1"), "3:14", /expected true or false, found a number/],
  [inTask('enabled: "true"'), "3:14", /expected true or false/],
  [inTask("enabled:"), "3:13", /found null/],
  [inTask("enabled: {}"), "3:14", /expected true or false/],
  [inTask("schedule: evry 5s"), "3:15", /none of "every", "cron" and "rrule"/],
  [inTask("schedule: 5s"), "3:15", /none of "every", "cron" and "rrule"/],
  [inTask("schedule: every 0s"), "3:15", /1 second to 366 days/],
  [inTask("schedule: every 5 fortnights"), "3:15", /no length of time/],
  [inTask("schedule: cron 61 * * * *"), "3:15", /61/],
  [inTask("schedule: cron * * * *"), "3:15", /./],
  [inTask("schedule: cron 0 0 31 2 *"), "3:15", /no date ever matches/],
  [inTask("schedule: cron 0 0 * * * Mars/Olympus"), "3:15", /time zone "Mars\/Olympus"/],
  [inTask("schedule: 60"), "3:15", /expected a text, found a number/],
  [inTask("schedule: {every: 5s}"), "3:15", /expected a text, found an object/],
  [inTask('schedule: ""'), "3:15", /none of/],
  [inTask("timeout: 600"), "3:14", /expected a text, found a number \(it is 600\)/],
  [inTask("timeout: soon"), "3:14", /no length of time from 1ms to 1d.*"soon"/],
  [inTask("timeout: 0s"), "3:14", /no length of time from 1ms/],
  [inTask("timeout: -5m"), "3:14", /no length of time/],
  [inTask("timeout: 25h"), "3:14", /to 1d/],
  [inTask("timeout: 1h30m"), "3:14", /no length of time/],
  [inTask("timeout: 1.5h"), "3:14", /no length of time/],
  [inTask("timeout: PT5M"), "3:14", /no length of time/],
  [inTask("timeout: 999999999999999d"), "3:14", /no length of time/],
  [inTask("timeout: 10M"), "3:14", /no length of time/],
  [inTask("priority: high"), "3:15", /"realtime", "normal", "background" \(it is "high"\)/],
  [inTask("priority: Realtime"), "3:15", /"realtime"/],
  [inTask("priority: 1"), "3:15", /"realtime"/],
  [inTask("retry: 3"), "3:12", /expected an object, found a number/],
  [inTask("retry: false"), "3:12", /expected an object/],
  [inTask("retry: {maxRetries: -1}"), "3:25", /at least 0/],
  [inTask("retry: {maxRetries: 1001}"), "3:25", /at most 1000/],
  [inTask("retry: {maxRetries: 2.5}"), "3:25", /expected a whole number/],
  [inTask("retry: {firstDelay: 1}"), "3:25", /expected a text/],
  [inTask("retry: {firstDelay: 1h}"), "3:12", /firstDelay is longer than maxDelay/],
  [inTask("retry: {maxDelay: 10ms}"), "3:12", /firstDelay is longer than maxDelay/],
  [inTask("retry: {maxDelay: 367d}"), "3:23", /366d/],
  [inTask("retry: {factor: 0.5}"), "3:21", /at least 1/],
  [inTask("retry: {factor: .inf}"), "3:21", /\.inf is no number that JSON has/],
  [inTask("retry: {then: forget}"), "3:19", /"dead", "drop"/],
  [inTask("retry: {retries: 3}"), "3:13", /unknown field "retries"/],
  [inTask("retries: 3"), "3:5", /unknown field "retries"/],
  [inTask("Timeout: 5m"), "3:5", /unknown field "Timeout"; did you mean "timeout"/],
  [inTask("weight: 2"), "3:5", /unknown field "weight"/],
  [inTask("vos: [lhcb]"), "3:10", /expected an object, found a list/],
  [inTask("vos: {lhcb: false}"), "3:17", /expected an object, found true or false/],
  [inTask("vos: {lhcb: {vos: {}}}"), "3:18", /unknown field "vos"/],
  [inTask('vos: {"a b": {}}'), "3:11", /"a b" as VO name/],
  [inTask("vos: {lhcb: {timeout: 5}}"), "3:27", /tasks\.MyTask\.vos\.lhcb\.timeout/],
  [inTask("vos: {lhcb: {priority: urgent}}"), "3:28", /"realtime"/],
];

const inInstance = (text: string) => inTask(`instances: {cern: {${text}}}`);
const ofPilots = (text: string) => `tasks:\n  MySubmitPilotsTask:\n    instances: {cern: {${text}}}\n`;
const WRONG_INSTANCES: readonly Wrong[] = [
  [inInstance("schedule: every 1h, payload: {a: .nan}"), "3:57", /\.nan is no number that JSON has/],
  [inInstance("schedule: every 1h, payload: {a: 12345678901234567890}"), "3:57", /more digits than a number keeps/],
  [inTask("instances: [cern]"), "3:16", /expected an object, found a list/],
  [inTask("instances: {cern: true}"), "3:23", /expected an object, found true or false/],
  [inTask('instances: {"a b": {schedule: every 1h}}'), "3:17", /"a b" as schedule instance/],
  [inInstance("schedule: evry 1h"), "3:34", /none of "every"/],
  [inInstance("schedule: rrule FREQ=FORTNIGHTLY"), "3:34", /FREQ=FORTNIGHTLY is none of/],
  [inInstance("schedule: every 1h, payload: [1]"), "3:53", /expected an object, found a list/],
  [inInstance("schedule: every 1h, vos: lhcb"), "3:49", /expected a list, found a text/],
  [inInstance('schedule: every 1h, vos: ["a b"]'), "3:44", /"a b" as VO name/],
  [inInstance("schedule: every 1h, enabled: 1"), "3:53", /expected true or false/],
  [inInstance("schedule: every 1h, timeout: 5m"), "3:44", /unknown field "timeout"/],
  [ofPilots('schedule: every 2h, payload: {ceRegex: "("}'), "3:17", /ceRegex: it is no regular expression/],
  [ofPilots("schedule: every 2h, payload: {ceRegexp: x}"), "3:17", /unknown field "ceRegexp"/],
  [ofPilots("payload: {ceRegex: x}"), "3:17", /it has no schedule, and the definition has no instance of this name/],
  [
    "tasks:\n  MyPilotReportTask:\n    instances: {nightly: {schedule: every 1d, vos: [lhcb]}}\n",
    "3:17",
    /the task is not per VO; leave `vos` out/,
  ],
];

test("what is no YAML is refused with line and column", async (t) => await assertTold(t, NOT_YAML));
test("anchors, aliases, tags, fields that stand twice and control characters are refused with line and column", async (t) =>
  await assertTold(t, NOT_TAKEN));
test("a file of another form, a newer version or with unknown fields is refused with line and column", async (t) =>
  await assertTold(t, WRONG_FORM));
test("wrong names and settings of VOs are refused with line, column and value", async (t) =>
  await assertTold(t, WRONG_VOS));
test("wrong names and settings of tasks are refused with line, column and value", async (t) =>
  await assertTold(t, WRONG_TASKS));
test("wrong named schedules are refused with line, column and value, also by what the task says of the payload", async (t) =>
  await assertTold(t, WRONG_INSTANCES));

test("over a hundred different mistakes are tried", (t) => {
  t.true([NOT_YAML, NOT_TAKEN, WRONG_FORM, WRONG_VOS, WRONG_TASKS].flat().length > 130);
});

test("all mistakes of a file are told at once, in its order, and beyond a hundred they are counted", async (t) => {
  const told = await toldOf(
    "vos:\n  lhcb: {weight: 0}\n  lhcb: {}\n  a b: {}\ntasks:\n  T: {timeout: 5, priority: x}\nvso: 1\n",
  );
  const places = [...(told ?? "").matchAll(/^FILE:(\d+:\d+): /gm)].map(([, place]) => place);
  t.deepEqual(places, ["2:18", "3:3", "4:3", "6:16", "6:29", "7:1"]);
  t.regex(told ?? "", /^Cannot use FILE: 6 mistakes are in it; mend all of them, nothing was changed\n/);
  const many = await toldOf(
    `vos:\n${Array.from({ length: 250 }, (_, index) => `  v${index}: {weight: 0}`).join("\n")}\n`,
  );
  t.is(many?.split("\n").length, 102);
  t.regex(many ?? "", /^Cannot use FILE: 250 mistakes[\s\S]*\nand 150 more$/);
});

test("bytes that are no UTF-8 are refused with line and column, and a byte order mark of UTF-8 is taken", async (t) => {
  for (const [bytes, place] of [
    [Buffer.from([0x76, 0x6f, 0x73, 0x3a, 0x0a, 0x20, 0xff, 0x0a]), "2:2"],
    [Buffer.from("vos:\n  löwe: {}\n", "latin1"), "2:4"],
    [Buffer.from("\ufeffvos: {}\n", "utf16le"), "1:1"],
    [Buffer.from([0x80]), "1:1"],
    [Buffer.from([0xed, 0xa0, 0x80]), "1:1"],
  ] as const) {
    t.is(await toldOf(bytes), `FILE:${place}: it is not UTF-8; save the file as UTF-8`);
  }
  t.is(await toldOf("\ufeffvos:\n  lhcb: {}\n"), undefined);
  t.regex((await toldOf("\ufeffvso: {}\n")) ?? "", /^FILE:1:1: vso/m);
});

test("what is no readable file, or too long a one, is refused by its name", async (t) => {
  const cases: readonly (readonly [path: string, told: RegExp])[] = [
    [join(folder, "absent.yaml"), /absent\.yaml: there is no such file; name a YAML file with -f$/],
    [join(folder, "absent", "x.yaml"), /there is no such file/],
    [folder, /it is a directory/],
    ["", /there is no such file/],
    ["/dev/zero", /more than 1,048,576 bytes/],
  ];
  await mkdir(join(folder, "sub"));
  await symlink(join(folder, "nowhere"), join(folder, "sub", "broken.yaml"));
  const long = join(folder, "long.yaml");
  await writeFile(long, "# x\n".repeat(2_500_000));
  for (const [path, told] of [
    ...cases,
    [join(folder, "sub", "broken.yaml"), /there is no such file/] as const,
    [long, /long\.yaml: it has more than 1,048,576 bytes/] as const,
  ]) {
    const error = await t.throwsAsync(readFile(path), { instanceOf: UsageError });
    t.regex(error?.message ?? "", told, path);
  }
});

test("what is right is taken, however it is written", async (t) => {
  for (const content of [
    "",
    "# nothing but a comment\n",
    "---\n",
    "{}",
    "vos:\n",
    "vos: {}\ntasks:\n",
    "vos:\n  lhcb:\n  cms: {}\n",
    "vos: {lhcb: {weight: 0x10}}\r\n",
    '{"version": 1, "vos": {"lhcb": {"weight": 2}}}',
    "version: 1\nvos:\n  123: {}\n  true: {}\n  null: {}\n  no: {}\n  1e3: {}\n  2027-01-31: {}\n  constructor: {}\n",
    inTask("timeout: 10 m"),
    inTask('schedule: "cron 0 6 * * * Europe/Zurich"'),
    inTask("retry: {maxRetries: 0, then: drop}"),
    inTask("vos: {_: {enabled: false}}"),
    '%YAML 1.2\n---\nvos: {"lhcb": {}}\n...\n',
  ]) {
    t.is(await toldOf(content), undefined, JSON.stringify(content));
  }
});
