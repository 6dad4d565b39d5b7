import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildReference } from "./build_reference.ts";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

const { index, problems } = await buildReference(ROOT, join(ROOT, "dist", "reference"));
for (const problem of problems) console.error(problem);
console.log(index);
if (problems.length > 0) process.exitCode = 1;
