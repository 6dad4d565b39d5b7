import { buildReference, type BuiltReference } from "@muster/reference";
import test from "ava";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./markdown.ts";

let out: string;
let built: BuiltReference;

test.before(async () => {
  out = await mkdtemp(join(tmpdir(), "muster-reference-"));
  built = await buildReference(ROOT, out);
});

test.after.always(async () => {
  await rm(out, { recursive: true, force: true });
});

test("each public name has a doc comment, and each link in one leads to a public name", (t) => {
  t.deepEqual(built.problems, []);
});

test("each face that a package offers has a page under the name by which others import it", (t) => {
  const faces = built.faces.map(({ name }) => name);
  t.true(faces.includes("@muster/tasks/operate"));
  t.deepEqual([...built.names.keys()].sort(), faces);
});

test("a name that a stranger looks for has a page with what its comment says", async (t) => {
  t.true(built.names.get("@muster/tasks")?.includes("createPublisher"));
  await access(built.index);
  const page = await readFile(join(out, "functions", "_muster_tasks.createPublisher.html"), "utf8");
  t.regex(page, /whose connection stays the caller/);
});
