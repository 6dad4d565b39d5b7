import { runWorkerApp } from "@muster/app";
import { MyCheckPilotsTask } from "@muster/pilot-tasks";

await runWorkerApp("check-worker", [MyCheckPilotsTask]);
