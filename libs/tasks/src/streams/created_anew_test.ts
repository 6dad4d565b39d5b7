import test from "ava";
import { wasCreatedAnew } from "./created_anew.ts";

test("a bucket that is two seconds younger than TASKS was created anew, and one that was declared with it was not", (t) => {
  const tasks = { created: "2026-03-01T10:00:00Z" };
  t.false(wasCreatedAnew({ created: "2026-03-01T09:00:00Z" }, tasks));
  t.false(wasCreatedAnew({ created: "2026-03-01T10:00:01.999Z" }, tasks));
  t.true(wasCreatedAnew({ created: "2026-03-01T10:00:02Z" }, tasks));
});
