import { createRequire } from "node:module";
import type { Temporal } from "temporal-polyfill";

/**
 * Node.js has `Temporal` from version 26 on. Before that it is a polyfill, which is loaded only where it is needed.
 *
 * The type checker knows no global of this name, so all code imports it from here.
 */
export const temporal: typeof Temporal =
  Reflect.get(globalThis, "Temporal") ?? createRequire(import.meta.url)("temporal-polyfill/implementation").Temporal;
