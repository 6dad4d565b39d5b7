import test from "ava";
import { escapeControls, escapeControlsInLines } from "./escape.ts";

test("what would act on a terminal is shown as text", (t) => {
  t.is(escapeControls("\u001b[31mred\u0007\u0000"), "\\x1b[31mred\\x07\\x00");
  t.is(escapeControls("one\ntwo\r\tthree"), "one\\ntwo\\r\\tthree");
  t.is(escapeControls("\u009b2J \u202egnp.exe \u2028 \ufeff \ud800"), "\\x9b2J \\u202egnp.exe \\u2028 \\ufeff \\ud800");
});

test("letters of any script and pictures stay", (t) => {
  const text = "Zürich Ελλάδα 日本 <b>ce01:9619/condor</b> 🚀";
  t.is(escapeControls(text), text);
});

test("lines stay lines where lines are meant", (t) => {
  t.is(escapeControlsInLines("Error: x\u001b[2J\n\tat y\r"), "Error: x\\x1b[2J\n\tat y\\r");
});
