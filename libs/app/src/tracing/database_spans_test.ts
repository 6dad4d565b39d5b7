import test from "ava";
import { summaryOf } from "./database_spans.ts";

test("a statement's summary has what it does and to which table, and none of its values", (t) => {
  t.is(summaryOf('select "p0".* from "pilot" as "p0" where "p0"."id" = $1'), "select pilot");
  t.is(summaryOf("\n  insert into task_outcome (task_id) values ($1)"), "insert task_outcome");
  t.is(summaryOf("update lock_fence set revision = $1"), "update lock_fence");
  t.is(summaryOf("with gone as (select 1) delete from pilot_request where x = 'secret'"), "delete pilot_request");
  t.is(
    summaryOf("with done as (INSERT into task_outcome values ($1) returning 1) select 1 from done"),
    "insert task_outcome",
  );
  t.is(summaryOf("commit"), "commit");
  t.is(summaryOf(""), "statement");
});
