import { type Composition, loadExtensions } from "@muster/app";
import { pilotTables } from "@muster/logic";
import { readSettings } from "@muster/service";
import type { AnyTask } from "@muster/tasks";
import { UsageError } from "./failure.ts";

/** Extensions that this process has loaded, by the text of the setting. Only `ourExtensions` writes and reads it. */
const loaded = new Map<string, Promise<Composition>>();

/** Loads the extensions that `MUSTER_EXTENSIONS` names, once. By default these are the pilots. Throws the errors of loading them. */
export async function ourExtensions(): Promise<Composition> {
  const named = readSettings().extensions;
  const key = JSON.stringify(named ?? null);
  const loading =
    loaded.get(key) ?? loadExtensions({ named, byDefault: ["@muster/pilot-tasks"], from: import.meta.url });
  loaded.set(key, loading);
  return await loading;
}

/** Every task that this program knows. */
export async function knownTasks(): Promise<readonly AnyTask[]> {
  return (await ourExtensions()).tasks;
}

/** Whether the extensions bring CEs and pilots. */
export async function hasPilots(): Promise<boolean> {
  return (await ourExtensions()).tables.some(({ name }) => name === pilotTables.name);
}

/** Throws where a command needs CEs or pilots and no extension brings their tables. */
export async function requirePilots(): Promise<void> {
  if (await hasPilots()) return;
  const { names } = await ourExtensions();
  throw new UsageError(
    `There are no CEs and pilots: MUSTER_EXTENSIONS has ${names.join(", ")} alone; name @muster/pilot-tasks there too`,
  );
}
