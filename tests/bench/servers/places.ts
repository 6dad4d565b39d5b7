import { join } from "node:path";

/** The bench's sources. */
export const BENCH = join(import.meta.dirname, "..");
/** The workspace. */
export const ROOT = join(BENCH, "..", "..");
/** Folder for servers and libraries of peers, which only the bench needs and downloads once. */
export const KEPT = join(ROOT, ".muster", "bench");
