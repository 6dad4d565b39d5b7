import { connectNats, openBroker } from "@muster/tasks";
import test from "ava";
import { runMuster } from "../cli/run_muster.ts";
import { startGuardedNats } from "../support/guarded_nats.ts";

test("a doctor under the user of one app says once what that may not look at, and looks at the rest", async (t) => {
  await using nats = await startGuardedNats();
  const nc = await connectNats({ ...nats.access("operator"), name: "test" });
  t.teardown(() => nc.close());
  await openBroker(nc);
  const { output } = await runMuster(["doctor"], {
    ...nats.env("submit-worker"),
    DATABASE_URL: "postgres://127.0.0.1:1/x",
  });
  const lines = output.split("\n");
  const told = lines.filter((line) => / may not| lacks /.test(line));
  t.is(told.length, 2, output);
  t.regex(
    told[0] ?? "",
    /^WARN {2}permissions: .* of one app: it may publish MyPilotTask, and lacks \d+ rights .* as the operator/,
  );
  t.regex(told[1] ?? "", /^WARN {2}not looked at: schedules, waiting, settings: .* as the operator/);
  for (const about of ["streams", "storage", "queues", "locks", "dead letters"]) {
    t.true(
      lines.some((line) => line.startsWith(`ok    ${about}: `)),
      `${about} in ${output}`,
    );
  }
});
