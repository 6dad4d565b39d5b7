import { createRequire } from "node:module";
import type { Temporal } from "temporal-polyfill";

/**
 * Node.js has `Temporal` from 26 on. Below that it is a polyfill, which is loaded where it is needed alone. The type checker knows no global of
 * that name, so that whoever needs it imports it from here.
 */
export const temporal: typeof Temporal =
  Reflect.get(globalThis, "Temporal") ?? createRequire(import.meta.url)("temporal-polyfill/implementation").Temporal;
