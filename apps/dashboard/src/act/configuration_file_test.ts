import test from "ava";
import { readConfigurationText } from "./configuration_file.ts";

function problemsOf(text: string): readonly string[] {
  const read = readConfigurationText(text, []);
  return read.kind === "wrong" ? read.problems : [];
}

test("YAML and JSON are read, and names that look like numbers stay names", (t) => {
  const yaml = readConfigurationText("vos:\n  123: { weight: 2 }\n  true: {}\ntasks: {}\n", []);
  t.deepEqual(yaml, { kind: "good", file: { vos: { "123": { weight: 2 }, true: {} }, tasks: {} } });
  t.is(readConfigurationText('{"vos":{"lhcb":{}}}', []).kind, "good");
});

test("each mistake is told with its place or its field", (t) => {
  t.regex(problemsOf("vos: {\n  a: [")[0] ?? "", /^line 2, column \d+: /);
  t.regex(problemsOf("vos: { lhcb: {} }\nvos: {}")[0] ?? "", /^line 2, column 1: /);
  t.deepEqual(problemsOf("vos: { lhcb: { weight: 0, wieght: 1 } }").length, 2);
  t.regex(problemsOf("a: &x 1\nvos: *x").join("\n"), /[Aa]lias|unknown/);
  t.regex(problemsOf("x".repeat(1_000_001))[0] ?? "", /more than 1000000 characters/);
});
