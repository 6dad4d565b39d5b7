import { atLeastOnceFactory, connectNats, every, openBroker, startScheduler } from "@muster/tasks";
import test from "ava";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

/** `ours` may not learn what TASKS holds, or may do everything. */
const users = (denied: string) => `authorization { users: [
    { user: "ops", password: "x" }
    { user: "ours", password: "x"${denied} }
  ] }
  no_auth_user: "ops"\n`;
const DENIED = `, permissions: { publish: { deny: ["$JS.API.STREAM.INFO.TASKS"] } }`;

test("a scheduler that has the lead and cannot do a leader's work says why, and no more once it can", async (t) => {
  await using nats = await startTestNats({ config: users("") });
  const login = { url: nats.url, user: "ours", password: "x" };
  const nc = await connectNats({ ...login, name: "unable to lead" });
  await using opened = new AsyncDisposableStack();
  opened.defer(() => nc.close());
  const broker = await openBroker(nc);
  await nats.reload(users(DENIED));
  const isDenied = () =>
    broker.jsm.streams.info("TASKS").then(
      () => undefined,
      () => true as const,
    );
  await until(isDenied, "the server to take the right away");
  const TickTask = atLeastOnceFactory()({ name: "TickTask", schedule: every({ seconds: 1 }), execute() {} });
  await using scheduler = await startScheduler({ broker, nats: login, app: "unable", tasks: [TickTask] });
  const failure = async () => scheduler.problems().find((problem) => problem.startsWith("cannot lead for now: "));
  t.regex(await until(failure, "the reason"), /STREAM\.INFO\.TASKS.*; its log has the rest$/);
  await nats.reload(users(""));
  await until(async () => (scheduler.problems().length === 0 ? true : undefined), "no problem");
});
