/**
 * The composition root: joins service, tasks and ledger into an app that runs. What is the same in every app stands here once.
 *
 * @module
 */
export type { Extension, Offers } from "./extension.ts";
export { openServers, type OpenServers, type OpenServersOptions } from "./open_servers.ts";
export { probeProblems } from "./probe_problems.ts";
export { runWorkerApp } from "./run_worker_app.ts";
