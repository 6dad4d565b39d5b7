import test from "ava";
import { mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runAva } from "./ava_step.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

const HANGS = `import test from "ava";
test("good before", (t) => t.pass());
test("hangs for ever", () => new Promise(() => setInterval(() => {}, 1_000)));
`;
const GOOD = `import test from "ava";
test("good beside", (t) => t.pass());
`;

test("a test that hangs is named, and the tests of all other files run", async (t) => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "muster-hang-")));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  await writeFile(
    join(folder, "package.json"),
    '{ "type": "module", "ava": { "files": ["*.mjs"], "extensions": ["mjs"] } }',
  );
  for (const name of ["a", "b", "c"]) await writeFile(join(folder, `${name}.mjs`), HANGS);
  await writeFile(join(folder, "d.mjs"), GOOD);

  const lines: string[] = [];
  const args = ["--timeout=8s", "--concurrency=2"];
  const { passed, failed } = await runAva(folder, { args, show: (line) => lines.push(line) });
  const told = (text: string) => lines.filter((line) => line.includes(text)).map((line) => line.split(" ", 1)[0]);
  t.deepEqual(told("hangs for ever"), ["not", "not", "not"]);
  t.deepEqual(told("good beside"), ["ok"]);
  t.deepEqual({ passed, failed }, { passed: 4, failed: 3 });
});
