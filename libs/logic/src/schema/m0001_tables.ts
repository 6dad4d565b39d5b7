import { Migration } from "@mikro-orm/migrations";

/** Creates the tables of CEs, pilots and requests for pilots. A test compares them with the entities. */
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
  }
}
