import { Migration } from "@mikro-orm/migrations";
import type { LargeIndex } from "@muster/ledger";
import { COUNT_INSERTED, COUNT_UPDATED } from "../entities/pilot_ended.ts";

export const PILOT_INDEXES: readonly LargeIndex[] = [
  { name: "pilot_active_by_vo", table: "pilot", of: "(vo, status, ce_name) where status in ('SUBMITTED', 'RUNNING')" },
  { name: "pilot_ended_by_share", table: "pilot", of: "(vo, ce_name, status, id) where status in ('DONE', 'FAILED')" },
  {
    name: "pilot_over_capacity",
    table: "pilot",
    of: "(active_before, capacity_read) where active_before >= capacity_read",
  },
];

/** Logins that may change pilots may count them, so that running apps go on. */
const GRANT_AS_PILOT = `
do $$ declare grantee oid; begin
  for grantee in
    select distinct acl.grantee from pg_class, aclexplode(relacl) acl
    where pg_class.oid = 'pilot'::regclass and privilege_type = 'UPDATE' and acl.grantee <> relowner
  loop
    execute 'grant select, insert, update on pilot_ended to '
      || case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end;
  end loop;
end; $$`;

/**
 * Counts ended pilots as they end, so that nobody has to count rows, and rows can be pruned (decision 100). Replaces the index of all
 * pilots by one of the active ones and one of the ended ones.
 */
export class CountEndedPilots extends Migration {
  override up(): void {
    // Nobody ends a pilot between the count and the triggers.
    this.addSql("lock table pilot in share row exclusive mode");
    this.addSql(`
      create table pilot_ended (
        ce_name text not null,
        vo text not null,
        status text not null constraint pilot_ended_status_check check (status in ('DONE', 'FAILED')),
        count bigint not null,
        constraint pilot_ended_pkey primary key (ce_name, vo, status)
      )`);
    // A status round rewrites few rows again and again. With room on each page no index is touched.
    this.addSql("alter table pilot_ended set (fillfactor = 50)");
    this.addSql(`
      insert into pilot_ended (ce_name, vo, status, count)
      select ce_name, vo, status, count(*) from pilot where status in ('DONE', 'FAILED') group by ce_name, vo, status`);
    this.addSql(COUNT_UPDATED);
    this.addSql(COUNT_INSERTED);
    this.addSql(GRANT_AS_PILOT);

    this.addSql("drop index pilot_by_vo_status");
    // By default a fifth of the table may be dead rows, two for each pilot that has ended. The first look after each passes over it.
    this.addSql(`
      alter table pilot set (
        autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 10000,
        autovacuum_analyze_scale_factor = 0.01
      )`);
  }
}
