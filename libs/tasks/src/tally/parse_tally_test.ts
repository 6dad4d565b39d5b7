import test from "ava";
import { parseTally } from "./parse_tally.ts";
import { printTally, type Tally } from "./tally.ts";

const lease = { holder: "h1", worker: "w1", taskId: "t1", since: "2027-01-31T12:00:00.000Z", untilMs: 5, ttlMs: 9 };
const whole: Tally = {
  by: "a1",
  leases: [lease, { ...lease, mode: "shared" }],
  epoch: { id: "e1", token: 7 },
  waiting: [{ line: "l1", worker: "w1", mode: "exclusive", untilMs: 5, ttlMs: 9 }],
  takes: [[1_000, 2]],
};

test("a tally is read as it was written, and its empty parts may be absent", (t) => {
  t.deepEqual(parseTally(printTally(whole)), whole);
  t.deepEqual(parseTally('{"by":"a1"}'), { by: "a1", leases: [], waiting: [], takes: [] });
});

/** Writes `whole` with one of its parts in place of another. */
function withPart(part: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ ...whole, ...part });
}

const WRONG: readonly string[] = [
  "",
  "not JSON",
  "null",
  "[]",
  '"text"',
  "{}",
  withPart({ by: 1 }),
  withPart({ leases: {} }),
  withPart({ leases: [null] }),
  ...Object.keys(lease).map((field) => withPart({ leases: [{ ...lease, [field]: null }] })),
  withPart({ leases: [{ ...lease, mode: "one" }] }),
  withPart({ epoch: { token: 7 } }),
  withPart({ epoch: { id: "e1", token: "7" } }),
  withPart({ waiting: [{ line: "l1", worker: "w1", untilMs: 5, ttlMs: 9 }] }),
  withPart({ waiting: [{ line: 1, worker: "w1", mode: "shared", untilMs: 5, ttlMs: 9 }] }),
  withPart({ takes: [[1]] }),
  withPart({ takes: [[1, "2"]] }),
];

test("what somebody stored by hand, or a tally with a part of a wrong type, is no tally", (t) => {
  for (const text of WRONG) t.is(parseTally(text), undefined, text);
});
