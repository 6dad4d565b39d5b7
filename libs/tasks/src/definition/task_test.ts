import test from "ava";
import * as z from "zod";
import { checkOccurrence, PeriodicPayloadError } from "./occurrence.ts";
import { every } from "../calendar/schedule.ts";
import { atLeastOnceFactory, taskFactory } from "./task.ts";

const defineTask = atLeastOnceFactory();
const hourly = every({ hours: 1 });

/** Defines a task from what no type checker has seen, as a module in JavaScript does. */
function defineUnseen(spec: object) {
  return defineTask({ name: "UnseenTask", execute() {}, ...spec });
}

test("a trait that is none of its words is refused with the value and the words", (t) => {
  const cases = [
    [{ priority: "high" }, 'priority is "high"; give one of "realtime", "normal", "background"'],
    [{ size: "huge" }, 'size is "huge"; give one of "small", "medium", "large"'],
    [{ per: "site" }, 'per is "site"; give one of "vo", "all"'],
    [{ timeoutMs: 0 }, "timeoutMs is 0; give 1 to 86,400,000"],
    [{ lockWaitMs: -1 }, "lockWaitMs is -1; give 0 or more"],
    [{ payloadVersion: 1.5 }, "payloadVersion is 1.5; give a whole number from 1"],
  ] as const;
  for (const [spec, problem] of cases) {
    t.throws(() => defineUnseen(spec), { instanceOf: RangeError, message: `Cannot define UnseenTask: ${problem}` });
  }
});

test("a periodic task whose schema refuses the empty object is refused when it is defined, with the field and the way out", (t) => {
  const payload = z.strictObject({ ce: z.string(), count: z.int().default(1) });
  const error = t.throws(() => defineUnseen({ payload, schedule: hourly }), { instanceOf: PeriodicPayloadError });
  t.is(error.task, "UnseenTask");
  t.regex(
    error.message,
    /^Cannot make UnseenTask periodic: its schema refuses .* \(ce: .*expected a text.*\); give each field a default .*, or leave the schedule out$/,
  );
  t.notThrows(() => defineUnseen({ payload }), "on demand it may require what it will");
  t.notThrows(() => defineUnseen({ payload: payload.partial(), schedule: hourly }));
  t.notThrows(() => taskFactory()({ name: "EmptyTask", schedule: hourly, execute() {} }));
});

test("an asynchronous schema tells later whether it refuses the empty object, and no verdict is one that broke", async (t) => {
  const Optional = z.object({ ce: z.string().optional() });
  const refusing = Optional.refine(async ({ ce }) => ce !== undefined, "a CE is wanted");
  const refused = defineTask({ name: "RefusedTask", payload: refusing, schedule: hourly, execute() {} });
  await t.throwsAsync(async () => await checkOccurrence(refused), {
    instanceOf: PeriodicPayloadError,
    message: /^Cannot make RefusedTask periodic: .*\(a CE is wanted\)/,
  });
  const validate = () => Promise.reject(new Error("the list of CEs is away"));
  const broken = { ...refused, payload: { "~standard": { version: 1, vendor: "a test", validate } } } as const;
  await t.notThrowsAsync(async () => await checkOccurrence(broken));
});
