import { Migration } from "@mikro-orm/migrations";

/** Creates the ledger and the fences. A test compares them with the entities. */
export class CreateTables extends Migration {
  override up(): void {
    this.addSql(`
      create table task_outcome (
        task_id text primary key,
        task text not null,
        vo text not null,
        payload_hash text not null,
        attempt int not null constraint task_outcome_attempt_check check (attempt >= 1),
        outcome text not null
          constraint task_outcome_outcome_check check (outcome in ('done', 'dropped', 'cancelled', 'retry', 'dead')),
        result json not null,
        spawned json not null,
        errors json not null,
        due_at timestamptz null
          constraint task_outcome_due_at_check check ((due_at is not null) = (outcome = 'retry')),
        settled_at timestamptz not null default now(),
        published_at timestamptz null
      )`);
    this.addSql("create index task_outcome_by_settled_at on task_outcome (settled_at)");
    this.addSql("create index task_outcome_unpublished on task_outcome (settled_at) where published_at is null");

    this.addSql(`
      create table lock_fence (
        key text primary key,
        revision bigint not null,
        holder text not null,
        raised_at timestamptz not null default now()
      )`);
  }
}
