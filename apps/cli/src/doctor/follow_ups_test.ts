import test from "ava";
import { bad, good, warning } from "./finding.ts";
import { UNTOLD, withoutDatabaseFollowUps } from "./follow_ups.ts";

test("while the database is bad only its own look says why, and all else that is bad stays", (t) => {
  const reason = 'relation "pilot" does not exist';
  const clock = bad("clock", "an hour ahead");
  const findings = [clock, bad("pilots", reason), warning("configuration", `${UNTOLD}: ${reason}`)];
  t.deepEqual(withoutDatabaseFollowUps([bad("PostgreSQL", "it lacks tables")], findings), [
    clock,
    warning("configuration", `${UNTOLD}; see PostgreSQL`),
  ]);
  t.deepEqual(withoutDatabaseFollowUps([good("PostgreSQL", "answers")], findings), findings);
});
