import test from "ava";
import * as z from "zod";
import { migratePayload } from "./migrate.ts";
import { PayloadRefusedError } from "./payload.ts";
import { atLeastOnceFactory } from "./task.ts";

const defineTask = atLeastOnceFactory();
const spec = { name: "GreetTask", payload: z.strictObject({ names: z.array(z.string()) }), execute() {} };
const GreetTask = defineTask({
  ...spec,
  payloadVersion: 3,
  migrate: {
    1: (old: { name: string }) => ({ first: old.name.toUpperCase() }),
    2: ({ first }: { first: string }) => ({ names: [first] }),
  },
});

test("a payload is taken step by step from its own version to the task's, and stays as it was sent", (t) => {
  const sent = { name: "Ada" };
  t.deepEqual(migratePayload(GreetTask, sent, 1), { names: ["ADA"] });
  t.deepEqual(migratePayload(GreetTask, { first: "Ada" }, 2), { names: ["Ada"] });
  t.deepEqual(migratePayload(GreetTask, { names: ["Ada"] }, 3), { names: ["Ada"] });
  t.deepEqual(sent, { name: "Ada" });
});

test("a step gets a copy: what it does to it does not change what was sent", (t) => {
  const Rude = defineTask({
    ...spec,
    payloadVersion: 2,
    migrate: {
      1: (old: { names?: string[] }) => {
        old.names?.push("Eve");
        return old;
      },
    },
  });
  const sent = { names: ["Ada"] };
  t.deepEqual(migratePayload(Rude, sent, 1), { names: ["Ada", "Eve"] });
  t.deepEqual(sent, { names: ["Ada"] });
});

test("a task without steps hands payloads of all versions to its schema", (t) => {
  const Tolerant = defineTask({ ...spec, payloadVersion: 3 });
  t.deepEqual(migratePayload(Tolerant, { any: 1 }, 1), { any: 1 });
});

test("a step that throws or returns no JSON object refuses the payload, with its version and reason", (t) => {
  const returning = (value: unknown) =>
    defineTask({ ...spec, payloadVersion: 2, migrate: { 1: () => value as { names: string[] } } });
  for (const value of [undefined, null, [1], "text", Promise.resolve({})]) {
    t.throws(() => migratePayload(returning(value), {}, 1), {
      instanceOf: PayloadRefusedError,
      message: /GreetTask: the step from version 1 of its payload returned no JSON object/,
    });
  }
  t.throws(() => migratePayload(GreetTask, {}, 1), {
    instanceOf: PayloadRefusedError,
    message: /the step from version 1 of its payload failed: Cannot read properties of undefined/,
  });
});

test("a missing step is refused at the definition, and so is one that leads nowhere", (t) => {
  const step = () => ({ names: [] });
  for (const [payloadVersion, migrate, message] of [
    [3, { 1: step }, /GreetTask: migrate has no step from version 2; give one, or one that throws/],
    [3, { 2: step }, /no step from version 1/],
    [2, {}, /no step from version 1/],
    [2, { 1: step, 2: step }, /a step from version 2; migrate has the versions before payloadVersion, which is 2/],
    [2, { 0: step, 1: step }, /a step from version 0/],
    [undefined, { 1: step }, /a step from version 1; .* which is 1/],
  ] as const) {
    t.throws(() => defineTask({ ...spec, ...(payloadVersion === undefined ? {} : { payloadVersion }), migrate }), {
      instanceOf: RangeError,
      message,
    });
  }
  t.notThrows(() => defineTask({ ...spec, migrate: {} }));
});
