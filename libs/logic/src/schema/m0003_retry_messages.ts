import { Migration } from "@mikro-orm/migrations";

/** What a retry's message is made from, so that one that LATER has lost can be published again (decision 34). */
export class KeepRetryMessages extends Migration {
  override up(): void {
    this.addSql(`
      alter table task_outcome add column message json null
        constraint task_outcome_message_check check (message is null or outcome = 'retry')`);
    this.addSql("create index task_outcome_retry on task_outcome (task_id) where outcome = 'retry'");
  }
}
