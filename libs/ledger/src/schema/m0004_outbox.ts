import { Migration } from "@mikro-orm/migrations";

/** Adds the table of tasks that applications publish in transactions of their own (decision 69). */
export class AddOutbox extends Migration {
  override up(): void {
    this.addSql(`
      create table task_outbox (
        number bigint generated always as identity primary key,
        task_id text not null default (gen_random_uuid())::text constraint task_outbox_task_id_unique unique,
        task text not null,
        vo text not null default '_',
        payload json not null default '{}'::json,
        payload_version int not null default 1
          constraint task_outbox_payload_version_check check (payload_version >= 1),
        start_at timestamptz null,
        headers json not null default '{}'::json,
        options json not null default '{}'::json,
        created_at timestamptz not null default now(),
        refused_at timestamptz null,
        reason text null
      )`);
    // Rows come and go fast. Without this a million tasks would leave 200,000 dead rows for each look to pass over.
    this.addSql(
      "alter table task_outbox set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000)",
    );

    // It tells of each insert, by a client of any language. The names are those that MikroORM gives.
    this.addSql(
      `create function task_outbox_told_fn() returns trigger as $$ begin perform pg_notify('muster_task_outbox', ''); return null; end; $$ language plpgsql`,
    );
    this.addSql(
      "create trigger told after insert on task_outbox for each statement execute function task_outbox_told_fn()",
    );
  }
}
