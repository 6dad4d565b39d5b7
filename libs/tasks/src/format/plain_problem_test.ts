import test from "ava";
import * as z from "zod";
import { plainProblem } from "./plain_problem.ts";

/** What is said of `value`, one text for each thing that is wrong. */
function said(schema: z.ZodType, value: unknown): string[] {
  return (schema.safeParse(value).error?.issues ?? []).map(plainProblem);
}

test("what zod says by itself is told in the words of the docs", (t) => {
  const cases: readonly (readonly [z.ZodType, unknown, string])[] = [
    [z.record(z.string(), z.json()), "lhcb", "expected an object, found a text"],
    [z.object({}), [], "expected an object, found a list"],
    [z.array(z.string()), {}, "expected a list, found an object"],
    [z.string(), 3, "expected a text, found a number"],
    [z.string(), null, "expected a text, found null"],
    [z.string(), undefined, "it is missing; expected a text"],
    [z.boolean(), "yes", "expected true or false, found a text"],
    [z.int(), 1.5, "expected a whole number"],
    [z.number(), Number.NaN, "expected a number, found no number"],
    [z.number().min(1), 0, "expected a number of at least 1"],
    [z.number().max(1_000), 1_001, "expected a number of at most 1000"],
    [z.number().positive(), 0, "expected a number of more than 0"],
    [z.string().min(2), "a", "expected at least 2 characters"],
    [z.array(z.string()).max(1), ["a", "b"], "expected at most 1 items"],
    [z.literal("fast"), "slow", 'expected "fast"'],
    [z.enum(["one", "all"]), "none", 'expected one of "one", "all"'],
    [z.strictObject({}), { ceNam: 1 }, 'unknown field "ceNam"'],
    [z.email(), "me", "it is no email address"],
    [z.iso.datetime(), "now", "it is no ISO datetime"],
    [z.uuid(), "1", "it is no UUID"],
    [z.string().regex(/^a$/), "b", "it must match pattern /^a$/"],
    [z.number().multipleOf(5), 3, "it must be a multiple of 5"],
    [
      z.union([z.string(), z.array(z.string())]),
      3,
      "expected a text, found a number, or expected a list, found a number",
    ],
    [z.record(z.string().regex(/^a/), z.json()), { b: 1 }, "the name of a field is wrong"],
  ];
  for (const [schema, value, words] of cases) t.deepEqual(said(schema, value), [words], JSON.stringify(value));
});

test("what an author's schema says stays as it is, and no text is longer than some lines", (t) => {
  t.deepEqual(said(z.string("Write the name of a site"), 3), ["Write the name of a site"]);
  t.deepEqual(said(z.union([z.string(), z.boolean()], { error: "no such form" }), 3), ["no such form"]);
  const [long = ""] = said(z.strictObject({}), { ["x".repeat(100_000)]: 1 });
  t.true(long.length < 400 && long.startsWith('unknown field "xxx'), long);
});
