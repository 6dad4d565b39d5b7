import { Migration } from "@mikro-orm/migrations";
import type { LargeIndex } from "./table_set.ts";

export const RETRY_INDEXES: readonly LargeIndex[] = [
  { name: "task_outcome_retry", table: "task_outcome", of: "(task_id) where outcome = 'retry'" },
];

/** Adds the parts of a retry's message, so that a message that LATER has lost can be published again (decision 34). */
export class KeepRetryMessages extends Migration {
  override up(): void {
    // No check ties it to outcome 'retry': an app of the version before leaves it when it writes the next
    // outcome.
    this.addSql("alter table task_outcome add column message json null");
  }
}
