import { findFreePort } from "@muster/local";
import { atLeastOnceFactory, type Broker, connectNats, every, openBroker, startScheduler } from "@muster/tasks";
import test from "ava";
import { isDeepStrictEqual } from "node:util";
import { startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { newWatcher } from "@muster/tasks/testing";

const TickTask = atLeastOnceFactory()({
  name: "TickTask",
  per: "all",
  schedule: every({ seconds: 3_600 }),
  execute() {},
});

/** A server whose user `u` lacks `permissions`. On `port` it tells who listens on what. */
function configOf(port: number, permissions: string): string {
  return `http: "127.0.0.1:${port}"
authorization { users: [
  { user: "ops", password: "s3cret" }
  { user: "u", password: "s3cret", permissions: { ${permissions} } }
] }\n`;
}

interface Connections {
  readonly connections: readonly {
    readonly authorized_user?: string;
    readonly subscriptions_list?: readonly string[];
  }[];
}

/** All subjects on which the user `u` listens, over all connections. Of an inbox it is only the prefix. */
async function listenedOn(port: number): Promise<readonly string[]> {
  const answer = await fetch(`http://127.0.0.1:${port}/connz?subs=1&auth=1`);
  const { connections } = (await answer.json()) as Connections;
  return connections
    .filter(({ authorized_user }) => authorized_user === "u")
    .flatMap(({ subscriptions_list = [] }) => subscriptions_list)
    .map((subject) => (subject.startsWith("_INBOX.") ? "_INBOX" : subject))
    .sort();
}

/** What a worker and a leading scheduler listen on last, after they have asked the broker, and how many of the two do. */
const LAST: readonly (readonly [string, number])[] = [
  ["$KV.results.cancel.>", 2],
  ["$JS.API.CONSUMER.DELETE.TASKS.*", 1],
];

/** Watchers of the configuration that somebody listens to. */
async function watchersOf({ jsm }: Broker): Promise<number> {
  const consumers = await jsm.consumers.list("KV_config").next();
  return consumers.filter(({ push_bound }) => push_bound === true).length;
}

test("whatever a worker and a leading scheduler listen on they hear again once a right that was withdrawn is given back", async (t) => {
  const port = await findFreePort();
  await using nats = await startTestNats({ config: configOf(port, "") });
  const ops = { user: "ops", password: "s3cret" };
  const u = { url: nats.url, user: "u", password: "s3cret" };
  await using muster = await startMuster({ nats, access: ops });
  await muster.startWorker({ tasks: [TickTask], access: u });
  const nc = await connectNats({ ...u, name: "scheduler" });
  const broker = await openBroker(nc, { observer: newWatcher() });
  const leads = Promise.withResolvers<void>();
  const onRole = (role: string) => void (role === "leading" && leads.resolve());
  const scheduler = await startScheduler({ broker, nats: u, app: "test", tasks: [TickTask], onRole });
  await leads.promise;
  const isInbox = (subject: string) => subject === "_INBOX";
  const heard = await until(async () => {
    const now = (await listenedOn(port)).filter((subject) => !isInbox(subject));
    return LAST.every(([subject, count]) => now.filter((each) => each === subject).length === count) ? now : undefined;
  }, "all that worker and scheduler listen on");
  t.true(heard.length > 10, heard.join(" "));
  const watchers = await watchersOf(muster.broker);
  t.is(watchers, 2, "one of each process watches the configuration");

  await nats.reload(configOf(port, 'subscribe: { deny: ">" }'));
  await until(async () => ((await listenedOn(port)).length === 0 ? true : undefined), "the end of all that is heard");
  await until(async () => ((await watchersOf(muster.broker)) === 0 ? true : undefined), "the end of the watchers");
  await nats.reload(configOf(port, ""));
  const isAsBefore = async () => {
    const now = (await listenedOn(port)).filter((subject) => !isInbox(subject));
    return isDeepStrictEqual(now, heard) ? true : undefined;
  };
  t.true(await until(isAsBefore, `a hearing of ${heard.join(" ")}`));
  t.true(await until(async () => ((await watchersOf(muster.broker)) === watchers ? true : undefined), "the watchers"));
  await scheduler.stop();
  await nc.close();
});
