import { startTestNatsServer } from "@muster/local";
import { headers as newHeaders, type NatsConnection } from "@nats-io/nats-core";
import test from "ava";
import { headersFrom } from "../format/headers.ts";
import { connectNats } from "./connection.ts";
import { publishTogether, type TextMessage } from "./publish_together.ts";

const opened = new AsyncDisposableStack();
const server = opened.use(await startTestNatsServer({ moreConfig: "max_payload: 2000" }));
test.after.always(() => opened.disposeAsync());

const connect = () => connectNats({ url: server.url, name: "publish together test" });

/** `nc` in a wrapping that replaces `methods`. */
function wrapped(nc: NatsConnection, methods: Partial<NatsConnection> = {}): NatsConnection {
  return new Proxy(nc, {
    has: (target, key) => key !== "protocol" && key in target,
    get: (target, key) => {
      if (Object.hasOwn(methods, key)) return Reflect.get(methods, key);
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const several = headersFrom({ "Event-Count": "2", "Task-Id": "ä 漢" });
several.append("Task-Id", "another");
const MESSAGES: readonly TextMessage[] = [
  { subject: "some.acks", body: "+ACK" },
  { subject: "some.events", headers: several, body: '{"reason":"ä 漢 🛰"}\n{}' },
  { subject: "some.questions", reply: "inbox.1", body: "" },
  { subject: "some.questions", reply: "inbox.2", headers: headersFrom({ a: "" }), body: "latin \u00e9\r\n\0" },
  { subject: "some.empty", headers: newHeaders(), body: "no header after all" },
  { subject: "some.ä", body: "PUB some.acks 4\r\n+ACK\r\n" },
];

/** What a listener hears of `MESSAGES`, and what the connection counts, where `publish` sends them. */
async function heardOf(publish: (nc: NatsConnection) => void) {
  await using stack = new AsyncDisposableStack();
  const [nc, listener] = [await connect(), await connect()];
  stack.defer(() => nc.close());
  stack.defer(() => listener.close());
  const heard = listener.subscribe("some.>", { max: MESSAGES.length });
  await listener.flush();
  const before = nc.stats();
  publish(nc);
  const counted = nc.stats();
  // Rejects where the server has ended the connection for what it could not read.
  await nc.flush();
  const messages: unknown[] = [];
  for await (const { subject, reply, headers, data } of heard) {
    messages.push({ subject, reply, headers: headers && [...headers], data: Buffer.from(data).toString("hex") });
  }
  return {
    messages,
    counted: [counted.outMsgs - before.outMsgs, counted.outBytes - before.outBytes],
  };
}

test.serial(
  "messages that go as one piece arrive and count as those that the client publishes one by one",
  async (t) => {
    const oneByOne = await heardOf((nc) => publishTogether(wrapped(nc), MESSAGES));
    t.is(oneByOne.messages.length, MESSAGES.length);
    t.deepEqual(await heardOf((nc) => publishTogether(nc, MESSAGES)), oneByOne);
    // All but the one with headers of no line.
    const withoutEmpty = MESSAGES.map((message) => (message.subject === "some.empty" ? MESSAGES[0] : message));
    const together = await heardOf((nc) => {
      const protocol: unknown = Reflect.get(nc, "protocol");
      if (typeof protocol !== "object" || protocol === null) throw new Error("the client has no protocol handler");
      Reflect.set(protocol, "publish", () => t.fail("the client publishes one by one"));
      publishTogether(
        nc,
        withoutEmpty.flatMap((message) => message ?? []),
      );
    });
    t.is(together.messages.length, MESSAGES.length);
  },
);

test("who wraps a connection's publish sees each message", async (t) => {
  const nc = await connect();
  const seen: string[] = [];
  const publish = (subject: string) => void seen.push(subject);
  publishTogether(wrapped(nc, { publish }), MESSAGES);
  nc.publish = publish;
  publishTogether(nc, MESSAGES);
  const subjects = MESSAGES.map(({ subject }) => subject);
  t.deepEqual(seen, [...subjects, ...subjects]);
  await nc.close();
});

test("what cannot be sent is refused as the client refuses it", async (t) => {
  const nc = await connect();
  const refusals = [
    { subject: "two words", body: "" },
    { subject: "", body: "" },
    { subject: "a", reply: "an inbox", body: "" },
    { subject: "a\r\nPUB b 0\r\n", body: "" },
    { subject: "a", body: "x".repeat(2_001) },
    { subject: "a", headers: headersFrom({ b: "x".repeat(2_001) }), body: "" },
  ];
  const errorOf = (connection: NatsConnection, message: TextMessage) => {
    try {
      publishTogether(connection, [message]);
    } catch (error) {
      return String(error);
    }
    return "none";
  };
  for (const message of refusals) {
    t.not(errorOf(nc, message), "none", message.subject);
    t.is(errorOf(nc, message), errorOf(wrapped(nc), message));
  }
  await nc.close();
  t.regex(errorOf(nc, { subject: "a", body: "" }), /closed/);
});
