import { runWorkerApp } from "@muster/app";
import { extension as pilots, MyPilotTask, MySubmitPilotsTask } from "@muster/pilot-tasks";

await runWorkerApp("submit-worker", { extensions: [pilots], tasks: [MySubmitPilotsTask, MyPilotTask] });
