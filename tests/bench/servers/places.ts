import { join } from "node:path";

/** The bench's sources. */
export const BENCH = join(import.meta.dirname, "..");
/** The workspace. */
export const ROOT = join(BENCH, "..", "..");
/** What the bench alone needs and gets only once: peers' servers and libraries. */
export const KEPT = join(ROOT, ".muster", "bench");
