import test from "ava";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { findProofs, readInvariants } from "./invariants.ts";
import { readSources } from "./source.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

test("each invariant of the protocol is proven by a test that cites it, unless its section says otherwise", async (t) => {
  const invariants = readInvariants(await readFile(join(ROOT, "docs", "reference", "protocol.md"), "utf8"));
  const proofs = findProofs(await readSources(ROOT));
  t.true(invariants.length >= 24);
  for (const { name, isExcused } of invariants) {
    const paths = new Set(proofs.filter((proof) => proof.invariants.includes(name)).map(({ path }) => path));
    t.log(`${name}: ${[...paths].join(", ") || "none"}`);
    t.true(paths.size > 0 || isExcused, `no test cites ${name}`);
  }
});

test("invariants are read with their section's excuse, and cited by a test's name before its colon", (t) => {
  const page = "# P\n\n## 1 A\n\nNot there yet.\n\n- I1 One.\n\n## 2 B\n\n- I2 Two.\n- I13 More, as I2.\n";
  t.deepEqual(readInvariants(page), [
    { name: "I1", isExcused: true },
    { name: "I2", isExcused: false },
    { name: "I13", isExcused: false },
  ]);
  const text = 'test.serial(\n  "I2, I13: both",\n);\ntest("not I1", () => {});\n// "I1: a comment"\n';
  t.deepEqual(findProofs([{ path: "a_test.ts", text }]), [
    { path: "a_test.ts", title: "I2, I13: both", invariants: ["I2", "I13"] },
  ]);
});
