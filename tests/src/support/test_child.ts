import { flushCompileCache } from "node:module";

/**
 * For the main file of a test's process, when all is imported. The process ends with the test. It keeps its compiled code for the next one
 * now, since Node.js does so at an orderly end only, and many such processes are killed.
 */
export function endWithTest(): void {
  process.on("disconnect", () => process.exit(1));
  flushCompileCache();
}
