import { Migration } from "@mikro-orm/migrations";

/** Adds the parts of a retry's message, so that a message that LATER has lost can be published again (decision 34). */
export class KeepRetryMessages extends Migration {
  override up(): void {
    // No check ties it to outcome 'retry': an app of the version before leaves it when it writes the next
    // outcome.
    this.addSql("alter table task_outcome add column message json null");
    this.addSql("create index task_outcome_retry on task_outcome (task_id) where outcome = 'retry'");
  }
}
