import { startTestNatsServer } from "@muster/local";
import test from "ava";
import { connectNats } from "./connection.ts";
import { openOutbox } from "./outbox.ts";
import { openRequests } from "../broker/requests.ts";

const opened = new AsyncDisposableStack();
const server = opened.use(await startTestNatsServer());
test.after.always(() => opened.disposeAsync());

const connect = () => connectNats({ url: server.url, name: "outbox test" });

test("what waits goes by itself in a moment, and in order", async (t) => {
  await using stack = new AsyncDisposableStack();
  const nc = await connect();
  stack.defer(() => nc.close());
  const heard = nc.subscribe("news", { max: 3 });
  const outbox = openOutbox(nc);
  for (const text of ["one", "two", "three"]) outbox.send("news", text);
  const texts: string[] = [];
  for await (const message of heard) texts.push(message.string());
  t.deepEqual(texts, ["one", "two", "three"]);
});

test("a request takes along what waits, before itself", async (t) => {
  await using stack = new AsyncDisposableStack();
  const nc = await connect();
  stack.defer(() => nc.close());
  const heard: string[] = [];
  nc.subscribe("questions", {
    callback(_, message) {
      heard.push(message.string());
      message.respond(message.data);
    },
  });
  const outbox = openOutbox(nc);
  const requests = openRequests(nc, { timeoutMs: 5_000, outbox });
  outbox.send("questions", "waiting");
  await requests.ask({ subject: "questions", body: "asked" });
  t.deepEqual(heard, ["waiting", "asked"]);
});

test("many are company enough and do not wait", async (t) => {
  const nc = await connect();
  const outbox = openOutbox(nc);
  const before = nc.stats().outMsgs;
  for (let index = 0; index < 100; index++) outbox.send("many", "one of them");
  t.true(nc.stats().outMsgs - before > 80);
  await nc.close();
});

test("where TASKS has several copies 192 are company enough, from the moment that it has them", async (t) => {
  await using stack = new AsyncDisposableStack();
  const nc = await connect();
  stack.defer(() => nc.close());
  let copies = 3;
  const outbox = openOutbox(nc, () => copies > 1);
  const sentBy = (count: number) => {
    const before = nc.stats().outMsgs;
    for (let index = 0; index < count; index++) outbox.send("many", "one of them");
    return nc.stats().outMsgs - before;
  };
  // All in one turn of the event loop, so that no timer sends anything.
  t.deepEqual([sentBy(191), sentBy(1)], [0, 192]);
  copies = 1;
  t.deepEqual([sentBy(15), sentBy(1)], [0, 16]);
});

test("whoever asks when all is sent is told after it was, at once where nothing waits, and also once the connection is closed", async (t) => {
  const nc = await connect();
  const outbox = openOutbox(nc);
  const told: string[] = [];
  outbox.whenSent(() => told.push("nothing waits"));
  t.deepEqual(told, ["nothing waits"]);
  outbox.send("questions", "one");
  outbox.whenSent(() => told.push(`sent, ${nc.stats().outMsgs} out`));
  t.is(told.length, 1);
  outbox.flush();
  t.deepEqual(told.slice(1), [`sent, ${nc.stats().outMsgs} out`]);
  outbox.send("questions", "two");
  await nc.close();
  await new Promise<void>((resolve) => outbox.whenSent(resolve));
});

test("what waits on a connection that is drained is dropped and breaks nothing", async (t) => {
  const nc = await connect();
  const outbox = openOutbox(nc);
  outbox.send("drained", "one");
  const drained = nc.drain();
  const takesMore = () => {
    try {
      nc.publish("drained");
      return true;
    } catch {
      return false;
    }
  };
  while (takesMore()) await Promise.resolve();
  t.false(nc.isClosed());
  t.notThrows(() => outbox.flush());
  await new Promise<void>((resolve) => outbox.whenSent(resolve));
  await drained;
});

/** An event as a worker tells it. */
const event = (step: string, about: string) => ({
  subject: `events.${step}`,
  text: JSON.stringify({ step, about }),
  about,
  begins: step === "started",
});

// Alone: it hears all that is sent to the server.
test.serial(
  "events of one subject that wait for the same flush are one message of several lines with their number, before the acks",
  async (t) => {
    await using stack = new AsyncDisposableStack();
    const nc = await connect();
    stack.defer(() => nc.close());
    const heard = nc.subscribe(">", { max: 4 });
    await nc.flush();
    const outbox = openOutbox(nc);
    outbox.tell(event("started", "a"));
    outbox.send("acks", "a");
    outbox.tell(event("done", "a"));
    outbox.tell(event("started", "b"));
    outbox.send("acks", "b");
    outbox.tell(event("started", "c"));
    outbox.flush();
    const messages: (readonly string[])[] = [];
    for await (const message of heard)
      messages.push([message.subject, message.headers?.get("Event-Count") ?? "", message.string()]);
    const line = (step: string, about: string) => JSON.stringify({ step, about });
    t.deepEqual(messages, [
      ["events.started", "3", [line("started", "a"), line("started", "b"), line("started", "c")].join("\n")],
      ["events.done", "", line("done", "a")],
      ["acks", "", "a"],
      ["acks", "", "b"],
    ]);
  },
);

test.serial("one event alone waits for nobody longer than a message does, and is sent without a header", async (t) => {
  await using stack = new AsyncDisposableStack();
  const nc = await connect();
  stack.defer(() => nc.close());
  const heard = nc.subscribe("events.>", { max: 1 });
  const outbox = openOutbox(nc);
  outbox.tell(event("started", "a"));
  for await (const message of heard) {
    t.is(message.headers, undefined);
    t.is(message.string(), '{"step":"started","about":"a"}');
  }
  const before = nc.stats().outMsgs;
  for (let index = 0; index < 16; index++) outbox.tell(event("done", String(index)));
  t.is(nc.stats().outMsgs - before, 1, "sixteen are company enough");
});
