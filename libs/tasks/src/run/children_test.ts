import test from "ava";
import * as z from "zod";
import { atLeastOnceFactory } from "../definition/task.ts";
import { Children } from "./children.ts";

const defineTask = atLeastOnceFactory();
const PilotTask = defineTask({
  name: "PilotTask",
  per: "vo",
  payload: z.strictObject({ ceName: z.string() }),
  execute() {},
});
const ReportTask = defineTask({ name: "ReportTask", execute() {} });
const PARENT = "SubmitTask/lhcb/default/2026-08-01T00:00:00.000Z";
const newChildren = () => new Children({ taskId: PARENT, vo: "lhcb", maxPayloadBytes: 100_000 });

test("a child's id follows from its content and its number among equals, not from its place in the run", async (t) => {
  const [one, other] = [newChildren(), newChildren()];
  const ids = ["ce01", "ce02", "ce02"].map((ceName) => one.spawn(PilotTask, { ceName }));
  const otherIds = ["ce02", "ce03", "ce02", "ce01"].map((ceName) => other.spawn(PilotTask, { ceName }));
  t.is(new Set(ids).size, 3);
  t.is(otherIds[0], ids[1]); // the first for ce02
  t.is(otherIds[2], ids[2]); // the second for ce02
  t.is(otherIds[3], ids[0]);
  t.false(ids.includes(otherIds[1] ?? ""));
  for (const id of ids) t.true(id.startsWith(`${PARENT}/PilotTask/`));
  t.deepEqual(
    (await one.seal()).map(({ taskId }) => taskId),
    ids,
  );
});

test("an explicit key is the child's id below its parent's, and is refused the second time", (t) => {
  const children = newChildren();
  t.is(children.spawn(PilotTask, { ceName: "ce01" }, { key: "ce01/0" }), `${PARENT}/ce01/0`);
  t.throws(() => children.spawn(PilotTask, { ceName: "ce02" }, { key: "ce01/0" }), { message: /"ce01\/0" was used/ });
});

test("a child in another VO, or in none, bears that VO in its id and not its parent's", (t) => {
  const children = newChildren();
  t.regex(
    children.spawn(PilotTask, { ceName: "ce01" }, { vo: "vo.cta.in2p3.fr" }),
    /^PilotTask\/vo\.cta\.in2p3\.fr\/[\w-]{22}$/,
  );
  t.regex(children.spawn(ReportTask, {}), /^ReportTask\/_\/[\w-]{22}$/);
});

test("a payload that the task changes after spawning goes out as it was spawned", async (t) => {
  const children = newChildren();
  const payload = { ceName: "" };
  for (const ceName of ["ce01", "ce02"]) {
    payload.ceName = ceName;
    children.spawn(PilotTask, payload);
  }
  t.deepEqual(
    (await children.seal()).map((child) => child.payload),
    [{ ceName: "ce01" }, { ceName: "ce02" }],
  );
});

test("a scheduled child is one from the moment of the call, also where its promise is not awaited", async (t) => {
  const children = newChildren();
  const id = children.schedule(PilotTask, { payload: { ceName: "ce01" }, at: new Date("2030-01-01T00:00:00Z") });
  const [child] = await children.seal();
  t.like(child, { taskId: await id, startAt: "2030-01-01T00:00:00.000Z" });
});

test("what an asynchronous schema refuses fails the run when it ends, and nothing before", async (t) => {
  const Slow = z.object({ ceName: z.string().refine(async () => false, "no such CE") });
  const SlowTask = defineTask({ name: "SlowTask", per: "vo", payload: Slow, execute() {} });
  const children = newChildren();
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => unhandled.push(reason);
  process.on("unhandledRejection", note);
  children.spawn(SlowTask, { ceName: "ce01" });
  await new Promise((resolve) => setTimeout(resolve, 20)); // the refusal is there, and nobody has asked for it yet
  process.off("unhandledRejection", note);
  t.deepEqual(unhandled, []); // it would have ended the process
  await t.throwsAsync(async () => await children.seal(), { name: "PayloadRefusedError", message: /no such CE/ });
});

test("a bad payload, a missing VO and a payload that is too large in bytes are refused at the call", (t) => {
  const children = newChildren();
  t.throws(() => children.spawn(PilotTask, JSON.parse('{"ceName":1}')), {
    name: "PayloadRefusedError",
    message: /ceName: /,
  });
  t.throws(
    () => new Children({ taskId: PARENT, vo: "_", maxPayloadBytes: 1_000 }).spawn(PilotTask, { ceName: "ce01" }),
    { name: "InvalidNameError" },
  );
  t.throws(() => children.spawn(PilotTask, { ceName: "ä".repeat(60_000) }), { message: /120013 bytes.*100000/ });
});

test("a child that could not be published once its parent has committed is refused when it is spawned", (t) => {
  const children = newChildren();
  const spawn = (options: object) => () => children.spawn(PilotTask, { ceName: "ce01" }, options);
  t.throws(spawn({ vo: "no such/vo" }), { name: "InvalidNameError", message: /VO name.*"\/"|" "/ });
  t.throws(spawn({ key: "two\r\nlines" }), { name: "InvalidNameError", message: /control character/ });
  t.throws(spawn({ at: new Date("never") }), { instanceOf: RangeError });
});

test("no run has more children than its row in the ledger can list", (t) => {
  const children = newChildren();
  for (let index = 0; index < 20_000; index++) children.spawn(PilotTask, { ceName: `ce${index}` });
  t.throws(() => children.spawn(PilotTask, { ceName: "one more" }), {
    instanceOf: RangeError,
    message: /20000 children/,
  });
});
