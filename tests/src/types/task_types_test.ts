import test from "ava";
import { complaintsAbout } from "../docs/compile.ts";

const PRELUDE = `import { publishWith, type Query } from "@muster/ledger";
import { type AnyTask, atLeastOnceFactory, cron, every, type Middleware, type PublishableTask, type Publisher, taskFactory, type ThreadOptions } from "@muster/tasks";
import { dueTimes, runTask } from "@muster/tasks/testing";
import { serveTasks } from "@muster/tasks/thread";
import * as z from "zod";
declare const publisher: Publisher;
declare const query: Query;
const defineTask = taskFactory<{ readonly site: string }>();
const defineBareTask = atLeastOnceFactory();
const Downtime = z.strictObject({
  ce: z.string(),
  from: z.iso.datetime().transform((text) => new Date(text)),
  hours: z.number().default(2),
});
const DownTask = defineTask({
  name: "DownTask",
  payload: Downtime,
  locks: ({ hours }) => (hours.toFixed() === "0" ? [] : []),
  execute: ({ payload, deps }) => ({ ms: payload.from.getTime() + payload.hours, site: deps.site.trim() }),
});
const BareTask = defineBareTask({ name: "BareTask", execute() {} });
const VoTask = defineTask({
  name: "VoTask",
  per: "vo",
  payload: z.object({ count: z.int().default(1) }),
  schedule: every({ hours: 1 }),
  execute() {},
});
const ModeTask = defineTask({ name: "ModeTask", payload: z.object({ mode: z.enum(["fast", "slow"]) }), execute() {} });
`;

/** What is written, and what the type checker says of it: the one complaint there may be. */
const WRONG: readonly (readonly [string, RegExp])[] = [
  // A mistake in a spec is told where it is, and nowhere else.
  ['defineTask({ name: "A", priority: "high", execute: ({ payload }) => ({ payload }) });', /"high".*"realtime"/],
  [
    'defineTask({ name: "A", priority: "high", payload: Downtime, execute: ({ payload }) => payload.ce });',
    /"high".*"background"/,
  ],
  ['defineBareTask({ name: "A", size: "huge", execute: async ({ taskId }) => ({ taskId }) });', /"huge".*"small"/],
  ['defineTask({ name: "A", per: "site", execute: ({ taskId }) => taskId });', /"site".*"all" \| "vo"/],
  ['defineTask({ name: "A", timeoutMs: "5 s", execute: ({ taskId }) => taskId });', /'string'.*'number'/],
  ['defineTask({ name: "A", retry: 3, execute: ({ taskId }) => taskId });', /'number'.*'RetryPolicy'/],
  ['defineTask({ name: "A", schedule: "0 * * * *", execute: ({ taskId }) => taskId });', /'string'.*'Schedule'/],
  ['defineTask({ name: "A", locks: () => ["ce01"], execute: ({ taskId }) => taskId });', /'\(\) => string\[\]'/],
  ['defineBareTask({ name: "A", execute: ({ deps }) => deps.submit() });', /'submit' does not exist on type 'NoDeps'/],
  // An occurrence has no payload, so a periodic task's schema accepts the empty object.
  [
    'defineTask({ name: "A", schedule: every({ hours: 1 }), payload: Downtime, execute() {} });',
    /an occurrence's payload is \{\}/,
  ],
  [
    'defineBareTask({ name: "A", payload: z.object({ ce: z.string() }), schedule: cron("0 * * * *"), execute() {} });',
    /give each field .* a default/,
  ],
  ['defineTask({ name: "A", retries: 3, execute: ({ taskId }) => taskId });', /'retries' does not exist/],
  ['defineTask({ name: "A", payload: Downtime, execute: ({ payload }) => payload.until });', /'until' does not exist/],
  // What is stored is JSON: that is asked of a schema's input, and of its input alone.
  ['defineTask({ name: "A", payload: z.string(), execute: ({ payload }) => payload });', /'ZodString'/],
  ['defineTask({ name: "A", payload: z.object({ at: z.date() }), execute: ({ payload }) => payload.at });', /ZodDate/],
  // Who publishes gives the schema's input.
  ['DownTask.schedule({ payload: { ce: "ce01", from: new Date() } });', /'Date'.*'string'/],
  ['DownTask.schedule({ payload: { from: "2027-01-31T12:00:00Z" } });', /'ce' is missing/],
  ['publisher.publish(DownTask, { payload: { ce: "ce01" } });', /'from' is missing/],
  ['publisher.publish(DownTask, { payload: { ce: "ce01", from: "", hour: 3 } });', /'hour' does not exist/],
  ["publisher.publishMany(DownTask, [{ payload: {} }]);", /'\{\}' is missing.*ce, from/],
  // What must be given is not left out: a payload with a field that is required, and a VO where the task is per VO.
  ["DownTask.schedule();", /Expected 1 arguments, but got 0/],
  ["DownTask.schedule({});", /'payload' is missing/],
  ["publisher.publish(DownTask);", /Expected 2 arguments, but got 1/],
  ["publisher.publish(DownTask, {});", /'payload' is missing/],
  ['publisher.publishMany(DownTask, [{ taskId: "a" }]);', /'payload' is missing/],
  ["publisher.publish(VoTask);", /Expected 2 arguments, but got 1/],
  ["publisher.publish(VoTask, { payload: { count: 2 } });", /'vo' is missing/],
  ['publisher.publishMany(VoTask, [{ taskId: "a" }]);', /'vo' is missing/],
  ["runTask(VoTask);", /Expected 2 arguments, but got 1/],
  ["runTask(VoTask, { payload: { count: 2 } });", /'vo' is missing/],
  ["runTask(DownTask, {});", /'\{\}' is not assignable to parameter of type 'RunTaskOptions/],
  ["dueTimes(VoTask, { after: new Date() });", /'vo' is missing/],
  // A task that is not per VO has none.
  ['BareTask.schedule({ vo: "lhcb" });', /'string' is not assignable to type 'never'|'undefined'/],
  ['publisher.publish(BareTask, { vo: "lhcb" });', /'string' is not assignable to type 'never'|'undefined'/],
  ['publisher.publishMany(BareTask, [{ vo: "lhcb" }]);', /'string' is not assignable to type 'never'|'undefined'/],
  ['runTask(BareTask, { vo: "lhcb" });', /'string' is not assignable to type 'never'|'undefined'/],
  ['defineTask({ name: "A", execute: ({ spawn }) => spawn(BareTask, {}, { vo: "lhcb" }) });', /'string'/],
  ['defineTask({ name: "A", execute: ({ spawn }) => spawn(DownTask, {}) });', /'\{\}' is missing.*ce, from/],
  // The same holds for what is published with a transaction.
  ['publishWith(query, DownTask, { payload: { ce: "ce01" } });', /'from' is missing/],
  ["publishWith(query, VoTask, {});", /'vo' is missing/],
  // A step of a migration makes an object of an object.
  [
    'defineTask({ name: "A", payloadVersion: 2, migrate: { 1: () => "text" }, execute: ({ taskId }) => taskId });',
    /'string' is not assignable to type 'JsonObject'/,
  ],
  [
    'defineTask({ name: "A", payloadVersion: 2, migrate: { one: () => ({}) }, execute: ({ taskId }) => taskId });',
    /'one' does not exist/,
  ],
  [
    'const late: Middleware = { name: "late", run: (_, next) => void next() };',
    /'undefined' is not assignable to type 'Promise/,
  ],
  // A result has its type, as JSON keeps it.
  [
    "publisher.publish(DownTask, { payload: { ce: '', from: '' } }).then(async (handle) => (await handle.result()).until);",
    /'until' does not exist/,
  ],
  ['defineTask({ name: "A", keepResult: 60, execute: ({ taskId }) => taskId });', /'number'.*'Interval'/],
  ['defineTask({ name: "A", execute: ({ progress }) => progress("half", 2) });', /'string'.*'number'/],
  ['publisher.publish(BareTask, { unique: { key: "k", mode: "debounce" } });', /'wait' is missing/],
  ['publisher.publish(BareTask, { unique: { key: "k", mode: "once" } });', /"once"/],
  // What a task calls is made in its thread, and what a worker gives its threads is JSON.
  ["serveTasks({ tasks: [DownTask] });", /'deps' is missing/],
  ["serveTasks({ tasks: [DownTask], deps: () => ({ site: 3 }) });", /'number' is not assignable to type 'string'/],
  ['const threads: ThreadOptions = { module: "file:///a.ts", data: { sites: new Map() } };', /'Map/],
  // Who executes is given its output.
  ['defineTask({ name: "A", payload: Downtime, execute: ({ payload }) => payload.from.trim() });', /'trim'.*'Date'/],
];

const RIGHT = [
  'DownTask.schedule({ payload: { ce: "ce01", from: "2027-01-31T12:00:00Z" } });',
  'DownTask.schedule({ payload: { ce: "ce01", from: "2027-01-31T12:00:00Z", hours: 3 } });',
  'publisher.publish(DownTask, { payload: { ce: "ce01", from: "2027-01-31T12:00:00Z" } });',
  'publisher.publishMany(DownTask, [{ payload: { ce: "ce01", from: "2027-01-31T12:00:00Z" } }]);',
  'defineTask({ name: "A", execute: ({ spawn }) => spawn(DownTask, { ce: "ce01", from: "" }) });',
  'defineTask({ name: "A", payload: z.object({ n: z.coerce.number<string>() }), execute: ({ payload }) => payload.n * 2 });',
  'defineTask({ name: "A", payload: z.object({ n: z.int() }).transform(({ n }) => n), execute: ({ payload }) => payload * 2 });',
  'publishWith(query, VoTask, { vo: "lhcb", at: new Date() }).then((id) => id.trim()); publishWith(query, BareTask, {});',
  'defineTask({ name: "A", payload: Downtime, payloadVersion: 2, migrate: { 1: ({ at }: { at: string }) => ({ from: at }) }, execute() {} });',
  'defineTask({ name: "A", execute() {} }).schedule();',
  "publisher.publish(BareTask); publisher.publishMany(BareTask, [{}, { at: new Date() }]); runTask(BareTask);",
  'publisher.publish(VoTask, { vo: "lhcb" }); runTask(VoTask, { vo: "lhcb" }); dueTimes(VoTask, { vo: "lhcb", after: new Date() });',
  // Inside a run it is for the run's own VO.
  "VoTask.schedule(); VoTask.schedule({ payload: { count: 2 } });",
  'defineTask({ name: "A", execute: ({ spawn }) => spawn(VoTask, {}) + spawn(VoTask, {}, { vo: "atlas" }) });',
  `runTask(DownTask, { body: "{" }); runTask(DownTask, { payload: { ce: "ce01", from: "" }, deps: ({ log }) => ({ site: String(log) }) });`,
  // Who does not know what a task takes is checked when it runs.
  "const anyTask: AnyTask = DownTask; const known: readonly AnyTask[] = [BareTask, VoTask, DownTask, ModeTask];",
  'serveTasks({ tasks: [BareTask] }); serveTasks({ tasks: known }); serveTasks({ tasks: [DownTask], deps: () => ({ site: "cern" }) });',
  'const publishable: PublishableTask = VoTask; publisher.publish(publishable); publisher.publish(anyTask, { vo: "lhcb", payload: { a: 1 } });',
  'publisher.publish(ModeTask, { payload: { mode: "fast" } });',
  'defineTask({ name: "A", schedule: every({ hours: 1 }), payload: z.object({ n: z.int().default(1) }), execute() {} });',
  'defineTask({ name: "A", per: known.length > 1 ? "vo" : "all", execute() {} }).schedule({ vo: "lhcb" });',
  "publisher.publish(DownTask, { payload: { ce: '', from: '' } }).then(async (handle) => (await handle.result({ timeoutMs: 1 })).ms.toFixed());",
  'publisher.publish(defineTask({ name: "A", execute: () => ({ at: new Date(), no: undefined }) })).then(async (handle) => (await handle.result()).at.trim());',
  'publisher.publish(defineTask({ name: "A", execute() {} })).then(async (handle) => { const none: null = await handle.result(); return none; });',
  'publisher.resultOf(DownTask, "an id").then(({ site }) => site.trim());',
  "const result: { readonly ms: number } | Promise<{ readonly ms: number }> = DownTask.execute({} as never);",
];

test("a mistake in a task's definition, or where it is published, is one complaint, and what is right is none", async (t) => {
  const statements = [...WRONG.map(([statement]) => statement), ...RIGHT];
  const complaints = await complaintsAbout(new Map([["task.ts", `${PRELUDE}${statements.join("\n")}\n`]]));
  const first = PRELUDE.split("\n").length;
  const found = complaints.split(/^(?=task\.ts)/m).flatMap((complaint) => {
    const [, line = "0", text = ""] = /^task\.ts\((\d+),\d+\): (.*)/s.exec(complaint) ?? [];
    return text === "" ? [] : [{ statement: statements[Number(line) - first] ?? `line ${line}`, text }];
  });
  t.deepEqual(
    found.map(({ statement }) => statement),
    WRONG.map(([statement]) => statement),
    complaints,
  );
  for (const [at, [, expected]] of WRONG.entries()) t.regex(found[at]?.text ?? "", expected);
});
