#!/usr/bin/env node
// `npx muster` in a workspace that is installed: hands over to the Node.js that the workspace pins, since ours may be older.
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { runPinned } from "../../../infra/boot/pinned_node.mjs";

const cli = join(dirname(fileURLToPath(import.meta.url)), "..");
try {
  runPinned(join(cli, "..", ".."), [join(cli, "src", "main.ts"), ...process.argv.slice(2)]);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
