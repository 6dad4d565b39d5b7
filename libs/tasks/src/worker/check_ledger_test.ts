import test from "ava";
import type { Ledger } from "../definition/ledger.ts";
import { checkLedger } from "./check_ledger.ts";

const LongTask = { name: "LongTask", effect: "once", timeoutMs: 3_600_000 } as const;
const FreeTask = { ...LongTask, name: "FreeTask", effect: "at-least-once" } as const;

/** A ledger of which only the limit is looked at. */
function ledgerWith(limit: Pick<Ledger<unknown>, "transactionTimeoutMs">): Ledger<unknown> {
  const unused = () => Promise.reject(new Error("nothing is asked of it here"));
  return {
    ...limit,
    open() {
      throw new Error("nothing is asked of it here");
    },
    record: unused,
    recall: unused,
    markPublished: unused,
    classify: () => "failed",
  };
}

test("a task whose transaction the database would end before its own timeout is refused, with both times", (t) => {
  const error = t.throws(() => checkLedger([LongTask], ledgerWith({ transactionTimeoutMs: 600_000 })), {
    instanceOf: TypeError,
  });
  t.regex(error?.message ?? "", /LongTask: its timeout is 3600000 ms.*600000 ms; open .* of 3600000/);
  t.notThrows(() => checkLedger([LongTask], ledgerWith({ transactionTimeoutMs: 3_600_000 })));
  t.notThrows(() => checkLedger([LongTask], ledgerWith({})));
});

test("only a task whose effect is once needs a ledger", (t) => {
  t.throws(() => checkLedger([FreeTask, LongTask], undefined), { message: /LongTask.*give a ledger/ });
  t.notThrows(() => checkLedger([FreeTask], undefined));
});
