// The entry of npm start, npm run build, npm run packages, npm run gather, npm run image, npm test, npm run bench, npm run mutants, npm run storms, npm run viewers, npm run reference and npm run muster.
import { runCommand } from "./run_command.mjs";

await runCommand(process.argv.slice(2));
