import { runDashboardApp } from "./run_dashboard_app.ts";

await runDashboardApp("dashboard", import.meta.url);
