import type { Database } from "@muster/ledger";
import type { Broker } from "@muster/tasks";
import type { ChoreLog } from "../extension/extension.ts";

/** The connections and the log that a scheduler's chores use. */
export interface ChoreServers {
  readonly broker: Broker;
  readonly database: Database;
  readonly log: ChoreLog;
}
