#!/usr/bin/env node
// What `node_modules/.bin/muster` runs, and so `npx muster` once the workspace is installed.
import { runCommand } from "../../../infra/boot/run_command.mjs";

await runCommand(["muster", ...process.argv.slice(2)]);
