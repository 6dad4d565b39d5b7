import test from "ava";
import { type Listed, Roster } from "./roster.ts";

const member = (name: string): Listed & { readonly name: string } => ({ name, place: undefined });

test("a roster knows who is here, whoever leaves first", (t) => {
  const roster = new Roster<ReturnType<typeof member>>();
  const [a, b, c, d] = [member("a"), member("b"), member("c"), member("d")];
  for (const each of [a, b, c, d]) roster.add(each);
  roster.add(b);
  t.is(roster.size, 4);
  t.true(roster.delete(a));
  t.true(roster.delete(d));
  t.false(roster.delete(a));
  t.deepEqual(Array.from(roster, ({ name }) => name).sort(), ["b", "c"]);
  roster.add(a);
  t.true(roster.delete(c) && roster.has(a) && roster.has(b) && !roster.has(c));
  t.true(roster.delete(b) && roster.delete(a));
  t.is(roster.size, 0);
});

test("one that is on another roster is not on this one", (t) => {
  const here = new Roster<ReturnType<typeof member>>();
  const there = new Roster<ReturnType<typeof member>>();
  const [one, other] = [member("one"), member("other")];
  here.add(one);
  there.add(other);
  t.false(here.has(other));
  t.false(here.delete(other));
  t.deepEqual([here.size, there.size], [1, 1]);
});
