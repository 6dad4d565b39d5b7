import test from "ava";
import { type HealthState, liveness, readiness } from "./verdict.ts";

const limits = { unreadyMs: 20_000, restartMs: 900_000 };
const since = "2027-01-01T00:00:00.000Z";
const well: HealthState = { app: "submit-worker", checks: [{ check: "nats", reason: null, since }] };
const databaseGone: HealthState = {
  ...well,
  checks: [...well.checks, { check: "database", reason: "connection refused", since }],
};

test("an app whose checks are green is alive and ready", (t) => {
  t.is(liveness(well, 0, limits).status, 200);
  t.is(readiness(well, 0, limits).status, 200);
});

test("a server that is gone makes an app unready with the reason, and not dead: a restart would not help", (t) => {
  t.is(liveness(databaseGone, 0, limits).status, 200);
  t.like(readiness(databaseGone, 0, limits), {
    status: 503,
    body: { status: "red", reasons: [{ check: "database", reason: "connection refused", since }] },
  });
});

test("a task that holds the event loop is no reason by itself until it has lasted", (t) => {
  t.is(readiness(well, 19_000, limits).status, 200);
  t.like(readiness(well, 21_000, limits), { status: 503, body: { reasons: [{ check: "event loop" }] } });
  t.is(liveness(well, 21_000, limits).status, 200);
  t.like(liveness(well, 901_000, limits), { status: 503, body: { reasons: [{ check: "event loop" }] } });
});
