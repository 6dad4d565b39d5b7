import { startNatsServer } from "@muster/local";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNats } from "../connection/connection.ts";
import { STREAM_NAMES } from "../streams/stream_needs.ts";
import { openBareBroker } from "./broker.ts";
import { watchStreams } from "./watch_streams.ts";

const EVERY_MS = 100;

/** A server, a broker of user `u`, and what is asked of JetStream from then on. */
async function startWatched(permissions: string) {
  const opened = new AsyncDisposableStack();
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-streams-")));
  const moreConfig = `authorization { timeout: 60, users: [
    { user: "ops", password: "x" }
    { user: "u", password: "x", permissions: { ${permissions} } }
  ] }\n`;
  const server = opened.use(await startNatsServer({ dataDir: folder.path, moreConfig }));
  const ops = await connectNats({ url: server.url, user: "ops", password: "x", name: "ops" });
  opened.defer(() => ops.close());
  const nc = await connectNats({ url: server.url, user: "u", password: "x", name: "u" });
  opened.defer(() => nc.close());
  const { promise: gone, resolve } = Promise.withResolvers<string>();
  const observer = { alarm: (text: string) => resolve(text), note() {}, step() {} };
  const broker = await openBareBroker(nc, { observer });
  const asked: string[] = [];
  const listeners = new Set<() => void>();
  ops.subscribe("$JS.API.STREAM.>", {
    callback(_error, { subject }) {
      asked.push(subject.slice("$JS.API.STREAM.".length));
      for (const look of listeners) look();
    },
  });
  await ops.flush();
  /** Resolves once `isThere` says so of what has been asked. */
  function untilAsked(isThere: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => void (isThere() && resolve());
    listeners.add(look);
    look();
    return promise;
  }
  return { broker, ops, nc, gone, asked, untilAsked, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

const isOfTasks = (subject: string) => subject === "INFO.TASKS";
const infos = STREAM_NAMES.map((name) => `INFO.${name}`);

test("each look is at TASKS and one other of Muster's own streams, in turn, and no list of all is asked for", async (t) => {
  await using watched = await startWatched("");
  const { broker, asked, untilAsked } = watched;
  using _watching = watchStreams(broker, { everyMs: EVERY_MS });
  await untilAsked(() => infos.every((info) => asked.includes(info)));
  const others = asked.filter((subject) => !isOfTasks(subject));
  t.deepEqual([...new Set(others)].sort(), infos.filter((subject) => !isOfTasks(subject)).sort());
  t.true(Math.abs(asked.length - 2 * others.length) <= 1, asked.join(" "));
});

test("after a reconnect all of Muster's streams are looked at", async (t) => {
  await using watched = await startWatched("");
  const { broker, nc, asked, untilAsked } = watched;
  using _watching = watchStreams(broker, { everyMs: 3_600_000 });
  await nc.reconnect();
  await untilAsked(() => infos.every((info) => asked.includes(info)));
  t.is(asked.length, infos.length);
});

test("who may not hear what the server tells looks at all each time: a stream that was deleted is there again", async (t) => {
  await using watched = await startWatched('subscribe: { deny: "$JS.EVENT.>" }');
  const { broker, ops, nc, gone, asked, untilAsked } = watched;
  using _watching = watchStreams(broker, { everyMs: EVERY_MS });
  await nc.flush(); // the refusal is here
  await untilAsked(() => infos.every((info) => asked.includes(info)));
  // In turn they would take eight looks.
  t.true(asked.filter(isOfTasks).length < 4, asked.join(" "));
  await ops.request("$JS.API.STREAM.DELETE.EVENTS", "", { timeout: 10_000 });
  t.is(await gone, "EVENTS had gone and was declared again; what it held is lost");
});
