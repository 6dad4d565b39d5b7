import { runWorkerApp } from "@muster/app";
import { MyPilotReportTask, pilots } from "@muster/pilot-tasks";

await runWorkerApp("report-worker", [MyPilotReportTask], pilots);
