#!/usr/bin/env node
// What `npx muster` runs before the first install, and for whoever may change files here. See `closeToOthers` in install.mjs.
import { runCommand } from "../run_command.mjs";

await runCommand(["muster", ...process.argv.slice(2)]);
