import test from "ava";
import type { Priority } from "../definition/traits.ts";
import { Buffer } from "./buffer.ts";

interface Labelled {
  readonly label: string;
  readonly received: {
    readonly definition: { readonly priority: Priority };
    readonly subject: string;
    readonly vo: string;
  };
}

/** A task in hand as far as the buffer looks at it. */
function inHand(priority: Priority, vo: string, number: number): Labelled {
  const received = { definition: { priority }, vo, subject: `tasks.Task_${priority}.${vo}` };
  return { label: `${priority} ${vo} ${number}`, received };
}

function takeAll(buffer: Buffer<Labelled>): string[] {
  const taken: string[] = [];
  for (let next = buffer.next(() => true); next !== undefined; next = buffer.next(() => true)) taken.push(next.label);
  return taken;
}

test("what is in hand starts by priority, what waited for a lock before what was just pulled, and VOs in turn", (t) => {
  const buffer = new Buffer<Labelled>(() => 1);
  buffer.add(inHand("background", "lhcb", 1));
  for (const number of [1, 2, 3]) buffer.add(inHand("normal", "lhcb", number));
  buffer.add(inHand("normal", "atlas", 1));
  buffer.resume(inHand("normal", "cms", 1));
  buffer.add(inHand("realtime", "lhcb", 1));
  t.is(buffer.size, 7);
  t.deepEqual(takeAll(buffer), [
    "realtime lhcb 1",
    "normal cms 1",
    "normal lhcb 1",
    "normal atlas 1",
    "normal lhcb 2",
    "normal lhcb 3",
    "background lhcb 1",
  ]);
  t.is(buffer.size, 0);
});

test("nothing starts in place of a more urgent task that may not start yet", (t) => {
  const buffer = new Buffer<Labelled>(() => 1);
  buffer.add(inHand("background", "lhcb", 1));
  buffer.add(inHand("normal", "lhcb", 1));
  t.is(
    buffer.next((priority) => priority === "background"),
    undefined,
  );
  t.is(buffer.size, 2);
});

test("in the buffer too a VO has as many starts in turn as its weight", (t) => {
  const buffer = new Buffer<Labelled>((vo) => (vo === "lhcb" ? 3 : 1));
  for (let number = 1; number <= 6; number++) {
    for (const vo of ["atlas", "lhcb"]) buffer.add(inHand("normal", vo, number));
  }
  const order = takeAll(buffer).map((label) => label.split(" ")[1]?.[0]);
  t.is(order.join(""), "alllalllaaaa");
});
