import test from "ava";
import { decodeConfiguration } from "./decode_configuration.ts";
import { readConfigurationText } from "./read_configuration.ts";

async function problemsOf(text: string): Promise<readonly string[]> {
  const read = await readConfigurationText(text, () => []);
  return read.kind === "wrong" ? read.problems.map((each) => `${each.line}:${each.column}: ${each.text}`) : [];
}

test("YAML and JSON are read, and names that look like numbers stay names", async (t) => {
  const read = await readConfigurationText("vos:\n  123: { weight: 2 }\n  true: {}\ntasks: {}\n", () => []);
  t.like(read, { kind: "good", file: { vos: { "123": { weight: 2 }, true: {} }, tasks: {} } });
  t.deepEqual(read.kind === "good" && read.placeOf(["vos", "123"]), { line: 2, column: 3 });
  t.is((await readConfigurationText('{"vos":{"lhcb":{}}}', () => [])).kind, "good");
});

test("each mistake is told with its place, in the order of the places, and the tasks are asked for only behind the rest", async (t) => {
  t.regex((await problemsOf("vos: {\n  a: ["))[0] ?? "", /^2:7: /);
  t.deepEqual(await problemsOf("vos:\n  a: {}\n  a: {}\nvos: {}"), [
    '3:3: "a" stands here twice; keep one of them',
    '4:1: "vos" stands here twice; keep one of them',
  ]);
  t.deepEqual(
    (await problemsOf("vos:\n  lhcb: { weight: 0, wieght: 1 }")).map((line) => line.replace(/: .*/, "")),
    ["2:19", "2:22"],
  );
  t.regex((await problemsOf("vos: &x {}\ntasks: *x")).join("\n"), /1:9: an anchor \(&\).*\n2:8: an alias \(\*\)/);
  t.deepEqual(await problemsOf(`# ${"x".repeat(1_048_576)}`), ["1:1: it has more than 1,048,576 bytes"]);
  const never = () => t.fail("nothing is loaded for a text that is wrong anyway") as never;
  t.is((await readConfigurationText("vos: 1", never)).kind, "wrong");
});

test("bytes that are no UTF-8 are told with the place of the first one", (t) => {
  t.deepEqual(decodeConfiguration(Buffer.from("\ufeffvos: {}")), { text: "vos: {}" });
  t.like(decodeConfiguration(Buffer.from([0x61, 0x0a, 0x62, 0xff])), { problem: { line: 2, column: 2 } });
});
