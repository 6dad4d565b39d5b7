import { runWorkerApp } from "@muster/app";
import { MyPilotTask, MySubmitPilotsTask } from "@muster/pilot-tasks";

await runWorkerApp("submit-worker", [MySubmitPilotsTask, MyPilotTask]);
