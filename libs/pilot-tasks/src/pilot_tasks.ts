import { MyCheckPilotsTask } from "./my_check_pilots_task.ts";
import { MyPilotReportTask } from "./my_pilot_report_task.ts";
import { MyPilotTask } from "./my_pilot_task.ts";
import { MySubmitPilotsTask } from "./my_submit_pilots_task.ts";

/** All four tasks, for code that must know every task: the scheduler and the command line. */
export const pilotTasks = [MyCheckPilotsTask, MyPilotReportTask, MyPilotTask, MySubmitPilotsTask] as const;
