import { startTestNatsServer } from "@muster/local";
import { JetStreamApiError, jetstreamManager } from "@nats-io/jetstream";
import { headers, NoRespondersError, RequestError, TimeoutError } from "@nats-io/nats-core";
import test from "ava";
import { setImmediate } from "node:timers/promises";
import { connectNats } from "../connection/connection.ts";
import { openRequests } from "./requests.ts";

const opened = new AsyncDisposableStack();
const server = opened.use(await startTestNatsServer());
test.after.always(() => opened.disposeAsync());

const connect = () => connectNats({ url: server.url, name: "requests test" });

test("a thousand questions at once each get their own answer, in whatever order these come", async (t) => {
  const nc = await connect();
  const waiting: { reply(): void }[] = [];
  nc.subscribe("echo", {
    callback(_, question) {
      waiting.push({ reply: () => void question.respond(question.data) });
      if (waiting.length === 1_000) for (const each of waiting.toReversed()) each.reply();
    },
  });
  const requests = openRequests(nc, { timeoutMs: 5_000 });
  const asked = Array.from({ length: 1_000 }, (_, index) => requests.ask({ subject: "echo", body: `no. ${index}` }));
  const answers = await Promise.all(asked);
  t.deepEqual(
    answers.map((answer) => answer.string()),
    answers.map((_, index) => `no. ${index}`),
  );
  await nc.close();
});

test("where nobody listens it is told at once, and where nobody answers in time, then", async (t) => {
  const nc = await connect();
  nc.subscribe("mute", { callback() {} });
  const patient = openRequests(nc, { timeoutMs: 60_000 });
  const nobody = await t.throwsAsync(patient.ask({ subject: "nobody", body: "" }), { instanceOf: NoRespondersError });
  t.is(nobody?.subject, "nobody");
  const requests = openRequests(nc, { timeoutMs: 200 });
  const startedMs = performance.now();
  const early = requests.ask({ subject: "mute", body: "" });
  await t.throwsAsync(early, { instanceOf: TimeoutError });
  t.true(performance.now() - startedMs >= 200);
  await t.throwsAsync(requests.ask({ subject: "mute", body: "" }), { instanceOf: TimeoutError }, "its timer ran anew");
  await nc.close();
});

test("when the connection is closed, whoever waits is told at once, and whoever asks then too", async (t) => {
  const nc = await connect();
  nc.subscribe("mute", { callback() {} });
  const requests = openRequests(nc, { timeoutMs: 60_000 });
  const waiting = requests.ask({ subject: "mute", body: "" });
  const told = t.throwsAsync(waiting, { instanceOf: RequestError });
  await nc.close();
  await told;
  await t.throwsAsync(requests.ask({ subject: "mute", body: "" }));
});

test("a message is stored once under its id, and what JetStream refuses is thrown with its code", async (t) => {
  const nc = await connect();
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: "NOTES", subjects: ["notes"] });
  const requests = openRequests(nc, { timeoutMs: 5_000 });
  const withHeader = (name: string, value: string) => {
    const all = headers();
    all.set(name, value);
    return { subject: "notes", body: "a", headers: all };
  };
  t.like(await requests.store(withHeader("Nats-Msg-Id", "one")), { stream: "NOTES", seq: 1, duplicate: false });
  t.like(await requests.store(withHeader("Nats-Msg-Id", "one")), { stream: "NOTES", seq: 1, duplicate: true });
  const refused = requests.store(withHeader("Nats-Expected-Last-Subject-Sequence", "7"));
  const error = await t.throwsAsync(refused, { instanceOf: JetStreamApiError });
  t.is(error?.code, 10071);
  await nc.close();
});

test.serial("an answer that came while this process stood still is read, and not taken for late", async (t) => {
  const nc = await connect();
  const requests = openRequests(nc, { timeoutMs: 200 });
  const asked = requests.ask({ subject: "$JS.API.INFO", body: "" });
  await setImmediate(); // it is on its way
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  t.true((await asked).data.length > 0);
  await nc.close();
});
