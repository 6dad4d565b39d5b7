import { runWorkerApp } from "@muster/app";
import { MyCheckPilotsTask, pilots } from "@muster/pilot-tasks";

await runWorkerApp("check-worker", [MyCheckPilotsTask], pilots);
