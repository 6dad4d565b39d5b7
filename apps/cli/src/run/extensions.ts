import type { Composition } from "@muster/app";
import { readSettings } from "@muster/service";
import type { AnyTask } from "@muster/tasks";
import { UsageError, WrongExtensionError } from "./failure.ts";
import { ownTracing } from "./tracing.ts";

/** Extensions that this process has loaded, by the text of the setting. Only `ourExtensions` writes and reads it. */
const loaded = new Map<string, Promise<Composition>>();

async function load(named: readonly string[] | undefined): Promise<Composition> {
  // Loaded late: with it come MikroORM and the rest of an app, which many commands do without.
  const { isExtensionError, loadExtensions } = await import("@muster/app");
  try {
    return await loadExtensions({ named, byDefault: ["@muster/pilot-tasks"], from: import.meta.url });
  } catch (error) {
    throw isExtensionError(error) ? new WrongExtensionError(error) : error;
  }
}

/**
 * Loads the extensions that `MUSTER_EXTENSIONS` names, once. By default these are the pilots. Where traces are on, their middleware makes spans.
 * Throws {@linkcode WrongExtensionError}.
 */
export async function ourExtensions(): Promise<Composition> {
  const named = readSettings().extensions;
  const key = JSON.stringify(named ?? null);
  const loading = loaded.get(key) ?? load(named);
  loaded.set(key, loading);
  const [composed, tracing] = await Promise.all([loading, ownTracing()]);
  return tracing === undefined ? composed : { ...composed, middleware: [tracing.middleware, ...composed.middleware] };
}

/** Throws {@linkcode WrongExtensionError} where `MUSTER_EXTENSIONS` names what cannot be loaded. Loads nothing where it names nothing. */
export async function checkExtensions(): Promise<void> {
  if (readSettings().extensions !== undefined) await ourExtensions();
}

/** Every task that this program knows. */
export async function knownTasks(): Promise<readonly AnyTask[]> {
  return (await ourExtensions()).tasks;
}

/** Whether the extensions bring CEs and pilots. */
export async function hasPilots(): Promise<boolean> {
  const { pilotTables } = await import("@muster/logic");
  return (await ourExtensions()).tables.some(({ name }) => name === pilotTables.name);
}

/** Throws where a command needs CEs or pilots and no extension brings their tables. */
export async function requirePilots(): Promise<void> {
  if (await hasPilots()) return;
  const { names } = await ourExtensions();
  throw new UsageError(
    `There are no CEs and pilots: MUSTER_EXTENSIONS names only ${names.join(", ")}; add @muster/pilot-tasks to it`,
  );
}
