import { Migration } from "@mikro-orm/migrations";

/** The first five tables. A test holds them against the entities. */
export class CreateTables extends Migration {
  override up(): void {
    this.addSql(`
      create table compute_element (
        name text primary key,
        capacity int not null constraint compute_element_capacity_check check (capacity >= 0),
        success_rate double precision not null
          constraint compute_element_success_rate_check check (success_rate >= '0' and success_rate <= '1'),
        enabled boolean not null default true,
        vos text[] null,
        created_at timestamptz not null default now()
      )`);

    this.addSql(`
      create table pilot (
        id bigserial primary key,
        ce_name text not null,
        vo text not null,
        status text not null default 'SUBMITTED'
          constraint pilot_status_check check (status in ('SUBMITTED', 'RUNNING', 'DONE', 'FAILED')),
        submitted_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        task_id text not null constraint pilot_task_id_unique unique,
        active_before int not null,
        capacity_read int not null
      )`);
    this.addSql("create index pilot_active_by_ce on pilot (ce_name) where status in ('SUBMITTED', 'RUNNING')");
    this.addSql("create index pilot_by_vo_status on pilot (vo, status, ce_name)");

    this.addSql(`
      create table pilot_request (
        task_id text primary key,
        ce_name text not null,
        vo text not null,
        requested_at timestamptz not null default now()
      )`);
    this.addSql("create index pilot_request_by_vo on pilot_request (vo, ce_name)");

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
