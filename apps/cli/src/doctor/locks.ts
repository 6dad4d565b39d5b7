import { escapeControls } from "@muster/service";
import type { Broker } from "@muster/tasks";
import { listLocksByHand, listStoredByHand, type StoredByHand } from "@muster/tasks/operate";
import { count } from "../print/output.ts";
import { type Finding, good, warning } from "./finding.ts";

const ABOUT = "locks";
/** Largest number of keys that are named one by one. */
const NAMED = 20;

function describe({ kind, key, value, storedAt }: StoredByHand): string {
  const what = `${key} was stored by hand at ${storedAt.toISOString()} (${JSON.stringify(value)})`;
  if (kind === "key") return `${what}; tasks wait for it until you free it: muster lock release '${key}'`;
  return `${what}; that is a pattern and no lock's key, so nobody waits for it; delete it: muster lock release '${key}'`;
}

/** Reports locks that a user has stored by hand. Nothing will ever free them. */
export async function examineLocks(broker: Broker): Promise<readonly Finding[]> {
  const found = await listLocksByHand(broker);
  if (found.length === 0) return [good(ABOUT, "none was stored by hand")];
  const named = found.slice(0, NAMED).map((lock) => warning(ABOUT, escapeControls(describe(lock))));
  const rest = found.length - named.length;
  return rest > 0 ? [...named, warning(ABOUT, `${count(rest, "more lock")} stored by hand: muster lock list`)] : named;
}

/** Reports records that a user has stored among those of the workers. They stand for no worker, and nothing will remove them. */
export async function examineWorkerRecords(broker: Broker): Promise<readonly Finding[]> {
  const found = await listStoredByHand(broker, "workers");
  const named = found.slice(0, NAMED).map(({ kind, key, sequence, value, storedAt }) => {
    const what = `${key} of bucket workers was stored by hand at ${storedAt.toISOString()} (${JSON.stringify(value)})`;
    const way = kind === "key" ? `nats kv del workers '${key}'` : `nats stream rmm KV_workers ${sequence}`;
    return warning("workers", escapeControls(`${what}, and tells of no worker; delete it: ${way}`));
  });
  const rest = found.length - named.length;
  const more = `${count(rest, "more record")} of bucket workers stored by hand: nats kv ls workers`;
  return rest > 0 ? [...named, warning("workers", more)] : named;
}
