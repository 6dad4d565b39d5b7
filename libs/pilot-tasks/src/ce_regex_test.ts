import test from "ava";
import { CeRegex, matchingCes, SlowCeRegexError } from "./ce_regex.ts";

const NAMES = ["ce01.cern.ch", "ce02.cern.ch:9619/condor", "ce01.cern.ch.example.org", "ce03.gridpp.ac.uk"];

test("a regular expression chooses the CEs whose whole name it matches, in any case", (t) => {
  t.deepEqual([...matchingCes(NAMES, ".*\\.cern\\.ch")], ["ce01.cern.ch"]);
  t.deepEqual([...matchingCes(NAMES, ".*\\.CERN\\.ch(:[0-9]+/.*)?")], ["ce01.cern.ch", "ce02.cern.ch:9619/condor"]);
  t.deepEqual(
    [...matchingCes(NAMES, "ce01.*|ce03.*")],
    ["ce01.cern.ch", "ce01.cern.ch.example.org", "ce03.gridpp.ac.uk"],
  );
  t.deepEqual([...matchingCes(NAMES, "cern")], []);
});

test("an expression that would run for ever is stopped, and told", (t) => {
  const names = ["a".repeat(250), `${"a".repeat(250)}!`];
  const error = t.throws(() => matchingCes(names, "(a+)+"), { instanceOf: SlowCeRegexError });
  t.regex(error?.message ?? "", /took longer than 200 ms; write one without a repetition inside a repetition/);
  t.deepEqual([...matchingCes(NAMES, "ce03.*")], ["ce03.gridpp.ac.uk"], "the next one is not disturbed");
});

test("what is no regular expression, or too long, is refused with the reason", (t) => {
  for (const bad of ["", "(", "a)(b", "[", "*", "x".repeat(201), 7, null]) {
    t.false(CeRegex.safeParse(bad).success, JSON.stringify(bad));
  }
  t.regex(CeRegex.safeParse("(").error?.message ?? "", /it is no regular expression: .*Unterminated group/);
  t.true(CeRegex.safeParse(".*\\.cern\\.ch").success);
});
