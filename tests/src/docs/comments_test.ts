import test from "ava";
import { parseSource } from "../rules/source.ts";
import { findHardComments } from "./comments.ts";

const found = (text: string, path = "libs/tasks/src/locks/a.ts") =>
  findHardComments([parseSource(path, text)]).map(({ line }) => line);

test("a sentence of over thirty words in a comment is refused, at its line, and a table of states is no sentence", (t) => {
  const long = Array.from({ length: 31 }, () => "word").join(" ");
  t.deepEqual(found(`const a = 1;\n/** ${long}. */\nconst b = 2; // ${long}`), [2, 3]);
  t.deepEqual(found(`/**\n * Short.\n *\n * ${long}.\n */`), [4]);
  const halves = Array.from({ length: 16 }, () => "word").join(" ");
  t.deepEqual(found(`/** ${halves}. ${halves}. */`), []);
  t.deepEqual(found(`/**\n *   open -> shut  ${halves}\n *   shut -> open  ${halves}\n */`), []);
  t.deepEqual(found(`const text = "${long}";`), []);
});

test("a turn of another age is refused in a comment of the product, and in no other text", (t) => {
  t.deepEqual(found("// Whoever comes first has it.\n// It lasts.\nconst a = 1; // for want of room"), [1, 3]);
  t.deepEqual(found("const whoever = 1;"), []);
  t.deepEqual(found("// Whoever comes first has it.", "libs/tasks/src/locks/a_test.ts"), []);
});
