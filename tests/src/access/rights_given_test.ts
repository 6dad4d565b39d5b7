import { connectNats } from "@muster/tasks";
import { mayPublishNow } from "@muster/tasks/operate";
import test from "ava";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";

test("a right that a user is given counts as soon as a person asks for what it allows, on the same connection", async (t) => {
  const users = (allowed: string) => `authorization { users: [
    { user: "viewer", password: "p", permissions: { publish: { allow: [${allowed}] } } }
  ] }\n`;
  await using nats = await startTestNats({ config: users('"$SYS.REQ.USER.INFO"') });
  const nc = await connectNats({ url: nats.url, user: "viewer", password: "p", name: "test" });
  t.teardown(() => nc.close());
  t.false(await mayPublishNow(nc, "audit.queue.pause"));
  const { client_id: before } = nc.info ?? {};
  await nats.reload(users('"$SYS.REQ.USER.INFO", "audit.>"'));
  await until(async () => (await mayPublishNow(nc, "audit.queue.pause")) || undefined, "the right");
  t.is(nc.info?.client_id, before);
});
