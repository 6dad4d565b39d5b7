import test from "ava";
import { complaintsAbout } from "../docs/compile.ts";

const PRELUDE = `import { atLeastOnceFactory, type Publisher, taskFactory } from "@muster/tasks";
import * as z from "zod";
declare const publisher: Publisher;
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
`;

/** What is written, and what the type checker says of it: the one complaint there may be. */
const WRONG: readonly (readonly [string, RegExp])[] = [
  // A mistake in a spec is told where it is, and nowhere else.
  ['defineTask({ name: "A", priority: "high", execute: ({ payload }) => ({ payload }) });', /"high".*'Priority'/],
  ['defineTask({ name: "A", priority: "high", payload: Downtime, execute: ({ payload }) => payload.ce });', /"high"/],
  ['defineBareTask({ name: "A", size: "huge", execute: async ({ taskId }) => ({ taskId }) });', /"huge".*'Size'/],
  ['defineTask({ name: "A", per: "site", execute: ({ taskId }) => taskId });', /"site".*"all" \| "vo"/],
  ['defineTask({ name: "A", timeoutMs: "5 s", execute: ({ taskId }) => taskId });', /'string'.*'number'/],
  ['defineTask({ name: "A", retry: 3, execute: ({ taskId }) => taskId });', /'number'.*'RetryPolicy'/],
  ['defineTask({ name: "A", schedule: "0 * * * *", execute: ({ taskId }) => taskId });', /'string'.*'Schedule'/],
  ['defineTask({ name: "A", locks: () => ["ce01"], execute: ({ taskId }) => taskId });', /'\(\) => string\[\]'/],
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
  ["publisher.publishMany(DownTask, [{ payload: {} }]);", /payload: \{\}/],
  ['defineTask({ name: "A", execute: ({ spawn }) => spawn(DownTask, {}) });', /'\{\}' is missing.*ce, from/],
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
  'defineTask({ name: "A", execute() {} }).schedule();',
  "const result: { readonly ms: number } | Promise<{ readonly ms: number }> = DownTask.execute({} as never);",
];

test("a mistake in a task's definition, or where it is published, is one complaint, and what is right is none", async (t) => {
  const statements = [...WRONG.map(([statement]) => statement), ...RIGHT];
  const complaints = await complaintsAbout(new Map([["task.ts", `${PRELUDE}${statements.join("\n")}\n`]]));
  const first = PRELUDE.split("\n").length;
  const found = complaints.split("\n").flatMap((complaint) => {
    const [, line = "0", text = ""] = /^task\.ts\((\d+),\d+\): (.*)/.exec(complaint) ?? [];
    return text === "" ? [] : [{ statement: statements[Number(line) - first] ?? `line ${line}`, text }];
  });
  t.deepEqual(
    found.map(({ statement }) => statement),
    WRONG.map(([statement]) => statement),
    complaints,
  );
  for (const [at, [, expected]] of WRONG.entries()) t.regex(found[at]?.text ?? "", expected);
});
