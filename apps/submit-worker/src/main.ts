import { runWorkerApp } from "@muster/app";
import { MyPilotTask, MySubmitPilotsTask, pilots } from "@muster/pilot-tasks";

await runWorkerApp("submit-worker", [MySubmitPilotsTask, MyPilotTask], pilots);
