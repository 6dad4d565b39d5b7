#!/usr/bin/env node
// What `npx muster` runs, from any folder of the checkout, before and after the first install.
import { runCommand } from "../../../infra/boot/run_command.mjs";

await runCommand(["muster", ...process.argv.slice(2)]);
