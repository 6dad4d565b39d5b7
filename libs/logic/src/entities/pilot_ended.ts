import { defineEntity, type InferEntity, p } from "@mikro-orm/postgresql";

/** The states in which a pilot has ended. It never leaves them. */
export const ENDED_STATUSES = ["DONE", "FAILED"] as const;

/**
 * How many pilots of one VO have ended in one state at one CE, also those whose rows were pruned. The triggers of `pilot` keep it, in the
 * transaction in which a pilot ends (decision 100).
 */
export const PilotEnded = defineEntity({
  name: "PilotEnded",
  tableName: "pilot_ended",
  properties: {
    ceName: p.text().primary(),
    vo: p.text().primary(),
    status: p.enum(ENDED_STATUSES).primary(),
    count: p.bigint("number"),
  },
});

export type PilotEnded = InferEntity<typeof PilotEnded>;

/**
 * Counts pilots that an UPDATE has ended, all of a statement at once. The shares are written in their order, so that two transactions cannot
 * wait for each other. Migration 3 has run this text, so it never changes.
 */
export const COUNT_UPDATED = `
create function pilot_ended_by_update_fn() returns trigger as $$ begin
  insert into pilot_ended as ended (ce_name, vo, status, count)
  select ce_name, vo, status, sum(change) from (
    select ce_name, vo, status, 1 as change from pilot_new where status in ('DONE', 'FAILED')
    union all
    select ce_name, vo, status, -1 from pilot_old where status in ('DONE', 'FAILED')
  ) as changes
  group by ce_name, vo, status having sum(change) <> 0
  order by ce_name, vo, status
  on conflict (ce_name, vo, status) do update set count = ended.count + excluded.count;
  return null;
end; $$ language plpgsql;
create trigger ended_by_update after update on pilot referencing old table as pilot_old new table as pilot_new
for each statement execute function pilot_ended_by_update_fn()`;

/** Counts a pilot that was inserted as an ended one. A submission inserts none, and pays for no call. Never changes either. */
export const COUNT_INSERTED = `
create function pilot_ended_by_insert_fn() returns trigger as $$ begin
  insert into pilot_ended as ended (ce_name, vo, status, count) values (new.ce_name, new.vo, new.status, 1)
  on conflict (ce_name, vo, status) do update set count = ended.count + 1;
  return null;
end; $$ language plpgsql;
create trigger ended_by_insert after insert on pilot
for each row when (new.status in ('DONE', 'FAILED')) execute function pilot_ended_by_insert_fn()`;
