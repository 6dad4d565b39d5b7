import test from "ava";
import { type Charges, chargesOf, isTaskCharge, looksAfter } from "./charges.ts";

function charges(led: readonly string[], elsewhere: readonly string[] = []): Charges {
  return { led: new Set(led), elsewhere: new Set(elsewhere), onChange: () => () => {} };
}

test("a task is looked after by its leader, by nobody else while it has one, and then by whoever leads the rest", (t) => {
  t.true(looksAfter(charges(["Ours", "_"]), "Ours"));
  t.false(looksAfter(charges(["_", "_ledger"], ["Theirs"]), "Theirs"), "its leader knows it");
  t.true(looksAfter(charges(["_"]), "Nobodys"));
  t.true(looksAfter(charges(["_ledger"], ["_"]), "Nobodys"), "a worker may have it in hand, so the ledger hears first");
  t.false(looksAfter(charges(["_"], ["_ledger"]), "Nobodys"));
  t.false(looksAfter(charges(["Ours"], ["_", "_ledger"]), "Nobodys"));
});

test("only a scheduler with a ledger leads the rest that needs one, and charges of tasks are told from the others", (t) => {
  const [tasks, chores] = [[{ name: "Ours" }], [{ name: "pruning the ledger" }]];
  t.deepEqual(chargesOf({ tasks, chores }), ["Ours", "_", "chore pruning the ledger"]);
  const all = chargesOf({ tasks, chores, ledger: {} });
  t.deepEqual(all, ["Ours", "_", "_ledger", "chore pruning the ledger"]);
  t.deepEqual(all.filter(isTaskCharge), ["Ours"]);
});
