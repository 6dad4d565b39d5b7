import type { TableSet, Transaction } from "@muster/ledger";
import type { DepsInput, LockType, TaskOver } from "@muster/tasks";

/** What an app gives an extension to build its dependencies from. */
export interface Offers {
  /** Writes a line of the app's log. */
  log(message: string, fields: object): void;
}

/** What one package brings to Muster's apps, as one value. An app knows nothing else of it. */
export interface Extension<Deps> {
  /** Shown where extensions are listed. */
  readonly name: string;
  /** Every task that it defines. */
  readonly tasks: readonly TaskOver<Deps>[];
  /** The types of the locks that its tasks take. */
  readonly lockTypes: readonly LockType[];
  /** Called once in each process. What it returns is called once in each run, and makes what the run's task may call. */
  deps(offers: Offers): (input: DepsInput<Transaction>) => Deps;
  /** Its tables, with their entities and migrations; empty where it has none. Their order is that of migration. */
  readonly tables: readonly TableSet[];
}
