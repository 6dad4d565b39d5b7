import { runWorkerApp } from "@muster/app";
import { extension as pilots, MyCheckPilotsTask } from "@muster/pilot-tasks";

await runWorkerApp("check-worker", { extensions: [pilots], tasks: [MyCheckPilotsTask] });
