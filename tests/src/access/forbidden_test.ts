import { MyPilotTask } from "@muster/pilot-tasks";
import { connectNats, createPublisher, ForbiddenError, openBroker } from "@muster/tasks";
import { jetstreamManager, type StreamInfo } from "@nats-io/jetstream";
import { headers as newHeaders, type NatsConnection, PermissionViolationError } from "@nats-io/transport-node";
import test, { type ExecutionContext } from "ava";
import { commandsOn } from "../cli/run_muster.ts";
import { startGuardedNats } from "../support/guarded_nats.ts";
import { until } from "../support/until.ts";

const nats = await startGuardedNats();

/** Closed when the tests are over. */
const connections: NatsConnection[] = [];

async function as(user: string): Promise<NatsConnection> {
  const nc = await connectNats({ ...nats.access(user), name: "test" });
  connections.push(nc);
  return nc;
}

const operator = await as("operator");
const jsm = await jetstreamManager(operator);
test.after.always(async () => {
  await Promise.all(connections.map((nc) => nc.close()));
  await nats[Symbol.asyncDispose]();
});
const muster = commandsOn({ ...nats.env("operator"), DATABASE_URL: "postgres://127.0.0.1:1/x" });

test.before(async () => {
  // The operator's command makes the streams.
  await muster.json("vo", "add", "lhcb");
  await muster.json("vo", "add", "belle2");
  await operator.request("tasks.MyCheckPilotsTask.lhcb", "{}", { timeout: 10_000 });
});

/** What the server says to a message: `refused` for lack of a right, or its answer. */
async function say(nc: NatsConnection, subject: string, body = "{}"): Promise<"refused" | string> {
  try {
    return (await nc.request(subject, body, { timeout: 10_000 })).string();
  } catch (error) {
    if (error instanceof ForbiddenError && error.operation === "publish" && error.subject === subject) return "refused";
    throw error;
  }
}

/** Whether the server refuses a subscription. */
async function listen(nc: NatsConnection, subject: string): Promise<"refused" | "heard"> {
  const subscription = nc.subscribe(subject, { callback() {} });
  const refused = subscription.closed.then((error) => error instanceof PermissionViolationError);
  await nc.flush();
  // The server's refusal comes before its answer to the flush.
  const isClosed = subscription.isClosed();
  if (!isClosed) subscription.unsubscribe();
  return isClosed && (await refused) ? "refused" : "heard";
}

/** What no user of an app may do, whoever it is. */
const NEVER: readonly string[] = [
  "$JS.API.STREAM.DELETE.TASKS",
  "$JS.API.STREAM.DELETE.KV_locks",
  "$JS.API.CONSUMER.MSG.NEXT.TASKS.MyCheckPilotsTask__lhcb",
  "$JS.ACK.TASKS.MyCheckPilotsTask__lhcb.1.1.1.1.0",
  "$JS.API.ACCOUNT.PURGE.MUSTER",
  "audit.queue.pause",
  "drain.some_worker",
  "$SYS.REQ.SERVER.PING",
];

/** What of all that only the scheduler may do besides the operator. */
const SCHEDULERS: readonly string[] = [
  "$JS.API.STREAM.CREATE.TASKS",
  "$JS.API.STREAM.UPDATE.TASKS",
  "$JS.API.STREAM.PURGE.TASKS",
  "$JS.API.STREAM.PURGE.LATER",
  "$JS.API.STREAM.MSG.DELETE.TASKS",
  "$JS.API.STREAM.MSG.GET.LATER",
  "$JS.API.CONSUMER.CREATE.TASKS.mine",
  "$JS.API.CONSUMER.CREATE.TASKS.mine.tasks.>",
  "$JS.API.CONSUMER.DURABLE.CREATE.TASKS.MyPilotTask__lhcb",
  "$JS.API.CONSUMER.DELETE.TASKS.MyCheckPilotsTask__lhcb",
  "$JS.API.CONSUMER.PAUSE.TASKS.MyCheckPilotsTask__lhcb",
  "tasks.MyCheckPilotsTask.lhcb",
  "later.MyCheckPilotsTask.lhcb.x",
  "markers.MyCheckPilotsTask.lhcb.default",
  "dead.MyCheckPilotsTask.lhcb",
  "events.MyCheckPilotsTask.lhcb.done",
  "$KV.config.current",
  "$KV.locks.scheduler.leader",
  "$KV.schedules.pause.MyCheckPilotsTask",
];

/** What nobody but its owner may hear. */
const OTHERS_INBOXES: readonly string[] = [">", "_INBOX.>", "_INBOX_operator.>", "_INBOX_report-worker.>", "_R_.>"];

/** Checks that each of these messages is refused, and each of these subscriptions. */
async function checkRefused(
  t: ExecutionContext,
  user: string,
  { publish, subscribe }: Readonly<Record<"publish" | "subscribe", readonly string[]>>,
): Promise<void> {
  const nc = await as(user);
  for (const subject of publish) t.is(await say(nc, subject), "refused", `${user}: ${subject}`);
  for (const subject of subscribe) t.is(await listen(nc, subject), "refused", `${user} listens: ${subject}`);
}

async function states(): Promise<readonly StreamInfo["state"][]> {
  const all: StreamInfo["state"][] = [];
  for (const name of ["TASKS", "LATER", "DEAD", "KV_config", "KV_locks", "KV_schedules"])
    all.push((await jsm.streams.info(name)).state);
  return all.map(({ messages, last_seq }) => ({ messages, last_seq })) as StreamInfo["state"][];
}

test.serial(
  "no user of an app may do what only the operator or the scheduler does, and nothing is changed",
  async (t) => {
    const before = await states();
    const workers = { publish: [...NEVER, ...SCHEDULERS], subscribe: [...OTHERS_INBOXES, "tasks.>", "events.>"] };
    await checkRefused(t, "submit-worker", workers);
    const reading = ["$JS.API.STREAM.MSG.GET.LATER"];
    const writing = [...NEVER, ...SCHEDULERS, "$KV.results.x", "$KV.workers.x", "$KV.locks.my_pilot.ce01", "wake.x.y"];
    await checkRefused(t, "dashboard", {
      publish: writing.filter((subject) => !reading.includes(subject)),
      subscribe: [...OTHERS_INBOXES, "tasks.>", "later.>"],
    });
    await checkRefused(t, "scheduler", { publish: NEVER, subscribe: [...OTHERS_INBOXES, "tasks.>", "events.>"] });
    t.deepEqual(await states(), before);
  },
);

test.serial("a worker pulls from its own lanes alone, and creates no lane over the tasks of others", async (t) => {
  const nc = await as("submit-worker");
  const lane = "MyPilotTask__lhcb";
  const create = (filter: object) =>
    say(
      nc,
      `$JS.API.CONSUMER.CREATE.TASKS.${lane}.tasks.MyPilotTask.lhcb`,
      JSON.stringify({ stream_name: "TASKS", config: { durable_name: lane, ack_policy: "explicit", ...filter } }),
    );
  for (const filter of [
    { filter_subject: "tasks.MyCheckPilotsTask.lhcb" },
    { filter_subjects: ["tasks.MyCheckPilotsTask.lhcb"] },
    { filter_subject: "tasks.>" },
  ]) {
    t.regex(await create(filter), /"error"/, JSON.stringify(filter));
  }
  t.notRegex(await create({ filter_subject: "tasks.MyPilotTask.lhcb" }), /"error"/);
  t.is(await say(nc, `$JS.ACK.TASKS.MyCheckPilotsTask__lhcb.1.1.1.1.0`, "+TERM"), "refused");
  // It may ask for its own: nothing waits there.
  const pulled = await nc.request(`$JS.API.CONSUMER.MSG.NEXT.TASKS.${lane}`, '{"batch":1,"no_wait":true}', {
    timeout: 10_000,
  });
  t.is(pulled.headers?.code, 404);
});

test.serial(
  "a VO's publisher publishes tasks of its VO alone, and an answer that it sends elsewhere reaches nobody",
  async (t) => {
    const nc = await as("vo-lhcb");
    const own = JSON.parse(await say(nc, "tasks.MyPilotTask.lhcb", '{"ceName":"ce01"}'));
    t.is(own.stream, "TASKS");
    const before = await states();
    const foreign = [
      "tasks.MyPilotTask.belle2",
      "tasks.MyPilotTask._",
      "tasks.MyPilotTask.vo.lhcb",
      "due.MyPilotTask.lhcb",
    ];
    const reads = [
      "$JS.API.STREAM.MSG.GET.TASKS",
      "$JS.API.DIRECT.GET.TASKS",
      "$JS.API.STREAM.INFO.TASKS",
      "$JS.API.INFO",
    ];
    const locks = ["$KV.locks.my_pilot.ce01", "$KV.results.x", "$KV.workers.x", "wake.MyPilotTask.lhcb"];
    await checkRefused(t, "vo-lhcb", {
      publish: [
        ...NEVER,
        ...SCHEDULERS.filter((subject) => !/^tasks\..*\.lhcb$/.test(subject)),
        ...foreign,
        ...reads,
        ...locks,
      ],
      subscribe: [">", "_INBOX_operator.>", "tasks.>", "_R_.>"],
    });
    t.deepEqual(await states(), before);

    // Where a user shares the account, as the operator does below, the server's answer is stored. So each VO has an account of its own.
    const forged = ["tasks.MyPilotTask.belle2", "$KV.config.forged", "$KV.locks.my_pilot.ce01"];
    const stored = async () => {
      const found = await Promise.all(
        forged.map((subject) =>
          jsm.streams.getMessage(subject.startsWith("tasks.") ? "TASKS" : `KV_${subject.split(".")[1]}`, {
            last_by_subj: subject,
          }),
        ),
      );
      return found.map((message) => message !== null);
    };
    for (const reply of forged) nc.publish("tasks.MyPilotTask.lhcb", "{}", { reply });
    await nc.flush();
    // What was sent before this has been answered.
    await say(nc, "tasks.MyPilotTask.lhcb", "{}");
    await say(operator, "tasks.MyPilotTask.lhcb", "{}");
    t.deepEqual(await stored(), [false, false, false]);
    operator.publish("tasks.MyPilotTask.lhcb", "{}", { reply: "tasks.MyPilotTask.belle2" });
    t.true(
      await until(async () => ((await stored())[0] ? true : undefined), "what the server answered to the operator"),
    );
  },
);

test.serial(
  "a VO's publisher that states ids of another VO's tasks ahead keeps none of those tasks away",
  async (t) => {
    const vo = await as("vo-lhcb");
    const broker = await openBroker(operator);
    const publisher = createPublisher(broker);
    const claim = async (id: string) => {
      const ids = { "Nats-Msg-Id": id, "Task-Id": `of-lhcb/${id}` };
      const headers = newHeaders();
      for (const [name, value] of Object.entries(ids)) headers.set(name, value);
      const answer = await vo.request("tasks.MyPilotTask.lhcb", "{}", { headers, timeout: 10_000 });
      t.like(answer.json(), { stream: "TASKS" });
    };
    const task = { vo: "belle2", payload: { ceName: "ce01" } };
    await claim("belle2/1");
    const { taskId, sequence } = await publisher.publish(MyPilotTask, { ...task, taskId: "belle2/1" });
    t.is((await jsm.streams.getMessage("TASKS", { seq: sequence }))?.subject, "tasks.MyPilotTask.belle2");
    // What the library itself repeats is known by the broker as ever, whoever publishes it.
    t.like(await publisher.publish(MyPilotTask, { ...task, taskId }), { duplicate: true, sequence });
    const second = createPublisher(await openBroker(await as("operator")));
    t.like(await second.publish(MyPilotTask, { ...task, taskId }), { duplicate: true, sequence });
    const many = ["belle2/2", "belle2/3"];
    for (const id of many) await claim(id);
    const stored = await publisher.publishMany(
      MyPilotTask,
      many.map((id) => ({ ...task, taskId: id })),
    );
    t.deepEqual(
      stored.map(({ duplicate }) => duplicate),
      [false, false],
    );
  },
);

test.serial(
  "a VO's publisher cannot roll up, delay or let lapse, and hears nothing of what others are answered",
  async (t) => {
    const nc = await as("vo-lhcb");
    for (const [name, value] of [
      ["Nats-Rollup", "all"],
      ["Nats-TTL", "1s"],
      ["Nats-Schedule", "@at 2027-01-31T12:00:00Z"],
    ] as const) {
      const headers = newHeaders();
      headers.set(name, value);
      const answer = await nc.request("tasks.MyPilotTask.lhcb", "{}", { headers, timeout: 10_000 });
      t.regex(answer.string(), /"error"/, name);
    }
    const heard: string[] = [];
    nc.subscribe("_INBOX.>", { callback: (_error, message) => void heard.push(message.subject) });
    await nc.flush();
    const asked = await as("vo-belle2");
    t.regex(await say(asked, "tasks.MyPilotTask.belle2"), /"stream":"TASKS"/);
    await nc.flush();
    t.deepEqual(heard, []);
  },
);
