import { runWorkerApp } from "@muster/app";
import { extension as pilots, MyPilotReportTask } from "@muster/pilot-tasks";

await runWorkerApp("report-worker", { extensions: [pilots], tasks: [MyPilotReportTask] });
