import { readFileSync } from "node:fs";
import type { Meters } from "./meters.ts";

/** The version of this library, which all parts of Muster have in common. */
export function readVersion(): string {
  return JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version;
}

/** Shows which program this is: a gauge that is always 1. */
export function showBuild(metrics: Meters, app: string): void {
  metrics
    .gauge({
      name: "muster_build_info",
      help: "1; the labels say which app this is, its version, and the version of Node.js that runs it.",
      labels: ["app", "version", "node"],
    })
    .of(app, readVersion(), process.versions.node).value = 1;
}
