export { PATIENCE_MS, until, within } from "@muster/tasks/testing";
