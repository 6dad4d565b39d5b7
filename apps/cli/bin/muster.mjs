#!/usr/bin/env node
// The program behind `node_modules/.bin/muster`. `npx muster` runs it too, once the workspace is installed.
import { runCommand } from "../../../infra/boot/run_command.mjs";

await runCommand(["muster", ...process.argv.slice(2)]);
