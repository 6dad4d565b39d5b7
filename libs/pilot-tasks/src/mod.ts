/**
 * The four tasks that send pilots to the grid, and the lock that they take.
 *
 * @module @muster/pilot-tasks
 */
export { myPilotLock } from "./lock_types.ts";
export { MyCheckPilotsTask } from "./my_check_pilots_task.ts";
export { MyPilotReportTask } from "./my_pilot_report_task.ts";
export { MyPilotTask } from "./my_pilot_task.ts";
export { MySubmitPilotsTask } from "./my_submit_pilots_task.ts";
export { type PilotDeps, type PilotDepsOptions, pilotDeps } from "./pilot_deps.ts";
export { pilotTasks } from "./pilot_tasks.ts";
export { extension } from "./extension.ts";
