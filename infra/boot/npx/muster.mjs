#!/usr/bin/env node
// The program behind `npx muster` before the first install, and for a user who may change files here. See `closeToOthers` in install.mjs.
import { runCommand } from "../run_command.mjs";

await runCommand(["muster", ...process.argv.slice(2)]);
