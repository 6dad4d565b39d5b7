import { runWorkerApp } from "@muster/app";
import { MyPilotReportTask } from "@muster/pilot-tasks";

await runWorkerApp("report-worker", [MyPilotReportTask]);
