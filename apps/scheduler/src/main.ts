import { runSchedulerApp } from "@muster/app";

await runSchedulerApp("scheduler", { byDefault: ["@muster/pilot-tasks"], from: import.meta.url });
