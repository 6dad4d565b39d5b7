import { runGenericWorkerApp } from "@muster/app";

await runGenericWorkerApp("worker", { byDefault: ["@muster/pilot-tasks"], from: import.meta.url });
