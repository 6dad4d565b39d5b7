import { AckPolicy, jetstreamManager } from "@nats-io/jetstream";
import { type Msg, nanos } from "@nats-io/nats-core";
import test from "ava";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { MessageChannel, Worker } from "node:worker_threads";
import { startTestBroker } from "../locks/_grid_test.ts";
import { momentNow } from "../lease/clocks.ts";
import { LeaseState } from "../lease/lease_state.ts";
import { connectNats } from "../connection/connection.ts";
import { type Observer, silentObserver } from "../connection/observer.ts";
import { keepThrough, openKeeper } from "./keeper.ts";
import { ofWorker, type SharedThread } from "./keeper_thread.ts";
import { Ownership } from "./ownership.ts";

const server = await startTestBroker();
test.after.always(() => server[Symbol.asyncDispose]());

/** Longer than the machine may stand still, which keeps the heartbeats too, ms. */
const ACK_WAIT_MS = 4_000;
/** Ownership as for an ack wait of 9 s, that is 4 s from one heartbeat; the consumers here wait for four seconds too. */
const QUICK = { heartbeatMs: 250, ackWaitMs: 9_000 };
let streams = 0;

/** A stream with one message, whose consumer waits some seconds for acks. */
async function startWork(url: string) {
  const nc = await connectNats({ url, name: "puller" });
  const jsm = await jetstreamManager(nc);
  const stream = `WORK${streams++}`;
  await jsm.streams.add({ name: stream, subjects: [`work.${stream}`] });
  const consumer = { durable_name: "c", ack_policy: AckPolicy.Explicit, ack_wait: nanos(ACK_WAIT_MS) };
  await jsm.consumers.add(stream, consumer);
  await nc.request(`work.${stream}`, "{}", { timeout: 10_000 });
  async function pull(options: object): Promise<Msg | undefined> {
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${stream}.c`;
    // The message comes under its own subject, which the client's shared inbox would not know.
    const answer = await nc.request(subject, JSON.stringify({ batch: 1, ...options }), {
      timeout: 40_000,
      noMux: true,
    });
    return answer.headers === undefined ? answer : undefined;
  }
  return {
    nc,
    /** Returns a message, or undefined if there is none for now. */
    pull: () => pull({ no_wait: true }),
    /** Waits for a message. */
    pullNext: () => pull({ expires: nanos(30_000) }),
    [Symbol.asyncDispose]: () => nc.close(),
  };
}

const openQuick = () => openKeeper({ access: { url: server.url }, name: "keeper", observer: silentObserver, ...QUICK });

const pulled = (ack = "$JS.ACK.none", forMs = 60_000) => ({
  ack,
  pulledAtMs: performance.now(),
  untilMs: performance.now() + forMs,
  held: undefined,
});

const deliveries = (message: Msg | undefined) => Number(message?.reply?.split(".")[4]);

// Alone: what holds up the thread would make the others late.
test.serial(
  "a held message is not redelivered, though the thread is held up for longer than the ack wait",
  async (t) => {
    await using work = await startWork(server.url);
    await using keeper = await openQuick();
    const message = await work.pullNext();
    const inHand = pulled(message?.reply);
    keeper.hold([inHand]);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1.5 * ACK_WAIT_MS);
    t.true(keeper.owns(inHand), "it reads heartbeats that were sent while it was busy");
    t.is(await work.pull(), undefined);

    keeper.letGo(inHand);
    t.false(keeper.owns(inHand));
    const again = await work.pullNext();
    t.is(deliveries(again), 2);
  },
);

test("thousands of messages are held at once, more than one board has room for", async (t) => {
  await using work = await startWork(server.url);
  await using keeper = await openQuick();
  const beaten = new Set<string>();
  const allBeaten = Promise.withResolvers<void>();
  const subscription = work.nc.subscribe("held.*", {
    callback: (_error, { subject }) => {
      if (beaten.add(subject).size === 3_000) allBeaten.resolve();
    },
  });
  await work.nc.flush();
  const messages = Array.from({ length: 3_000 }, (_, number) => pulled(`held.${number}`));
  keeper.hold(messages);
  await allBeaten.promise;
  t.true(messages.every((message) => keeper.owns(message)));

  for (const message of messages.slice(0, -1)) keeper.letGo(message);
  beaten.clear();
  const last = Promise.withResolvers<void>();
  const later = work.nc.subscribe("held.2999", { callback: () => last.resolve() });
  await last.promise;
  await work.nc.flush();
  beaten.clear(); // a round may have been under way
  const next = Promise.withResolvers<void>();
  const after = work.nc.subscribe("held.2999", { callback: () => next.resolve() });
  await next.promise;
  t.deepEqual([...beaten], ["held.2999"]);
  for (const each of [subscription, later, after]) each.unsubscribe();
});

test("heartbeats stop at the message's time, and a later hold gives it more", async (t) => {
  await using work = await startWork(server.url);
  await using keeper = await openQuick();
  const message = await work.pullNext();
  const inHand = pulled(message?.reply, 100);
  keeper.hold([inHand]);
  const heldAtMs = performance.now();
  inHand.untilMs = heldAtMs + 1.5 * ACK_WAIT_MS;
  keeper.hold([inHand]);
  const again = await work.pullNext();
  const tookMs = performance.now() - heldAtMs;
  t.is(deliveries(again), 2);
  t.true(tookMs > 1.5 * ACK_WAIT_MS, `${tookMs} ms`);
});

test("a restart of the broker ends ownership of what was pulled before it", async (t) => {
  await using first = await startTestBroker();
  const { promise: restartNoted, resolve } = Promise.withResolvers<void>();
  const observer: Observer = { ...silentObserver, note: (message) => message.includes("restarted") && resolve() };
  await using keeper = await openKeeper({ access: { url: first.url }, name: "keeper", observer });
  const inHand = pulled();
  keeper.hold([inHand]);
  t.true(keeper.owns(inHand));

  first.kill("SIGKILL");
  await first.exited;
  await using _second = await startTestBroker({ port: first.port, dataDir: first.dataDir });
  await restartNoted;
  t.false(keeper.owns(inHand));
  const next = pulled();
  keeper.hold([next]);
  t.true(keeper.owns(next));
});

test("a crash of the thread raises an alarm, ends ownership and loses every lease", async (t) => {
  const alarms: string[] = [];
  const observer: Observer = { ...silentObserver, alarm: (message) => void alarms.push(message) };
  const ownership = new Ownership(15_000);
  const thread = new Worker(
    "require('node:worker_threads').parentPort.once('message', () => { throw new Error('out of memory') })",
    {
      eval: true,
    },
  );
  await using keeper = keepThrough(ofWorker(thread), ownership, observer);
  const crashed = once(keeper.signal, "abort");
  const state = new LeaseState(15_000);
  state.noteWrite(1, momentNow());
  const record = { holder: "h", worker: "w", taskId: "t", since: "" };
  const lost = new Promise((resolve) => {
    keeper.keep({ key: "k", record, ttlMs: 15_000, shared: state.shared }, resolve);
  });
  const inHand = pulled();
  keeper.hold([inHand]);
  t.true(keeper.owns(inHand));
  await crashed;
  t.regex(String(await lost), /crashed/);
  t.false(state.isHeld);
  t.false(keeper.owns(inHand));
  t.is(alarms.length, 1);
  t.regex(String(keeper.signal.reason), /restart the process/);
});

/** A thread as that of an app's health, which runs parts. */
function makeSharedThread(): SharedThread & AsyncDisposable {
  const worker = new Worker(
    `require("node:worker_threads").parentPort.on("message", ({ part, module, port, data }) => {
      const said = (error) => require("node:worker_threads").parentPort.postMessage({ part, error });
      import(module).then(({ serve }) => serve(port, data)).then(() => said(undefined), said);
    })`,
    { eval: true },
  );
  let parts = 0;
  return {
    run(module, data) {
      const { port1, port2 } = new MessageChannel();
      const part = ++parts;
      const ended = new Promise<Error | undefined>((resolve) => {
        worker.on("message", (said: { part: number; error: Error | undefined }) => {
          if (said.part === part) resolve(said.error);
        });
      });
      worker.postMessage({ part, module: module.href, port: port2, data }, [port2]);
      return { port: port1, ended };
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

test("in a shared thread messages are kept too, one keeper after another, and the next opens after one that could not", async (t) => {
  await using shared = makeSharedThread();
  await using work = await startWork(server.url);
  const open = (url: string) =>
    openKeeper({ access: { url }, name: "keeper", observer: silentObserver, thread: shared, ...QUICK });
  for (const number of [1, 2]) {
    await using keeper = await open(server.url);
    const beaten = Promise.withResolvers<void>();
    const subscription = work.nc.subscribe(`shared.${number}`, { callback: () => beaten.resolve() });
    await work.nc.flush();
    const inHand = pulled(`shared.${number}`);
    keeper.hold([inHand]);
    await beaten.promise;
    t.true(keeper.owns(inHand));
    subscription.unsubscribe();
    await t.throwsAsync(open("nats://127.0.0.1:1"), { message: /Cannot open the keeper: Cannot connect to NATS/ });
    t.true(keeper.owns(inHand));
  }
});

test("opening fails with the reason where nobody answers", async (t) => {
  const url = "nats://127.0.0.1:1";
  await t.throwsAsync(openKeeper({ access: { url }, name: "keeper", observer: silentObserver }), {
    message: /Cannot connect to NATS/,
  });
});

test("an ack wait too short for its heartbeats is refused", async (t) => {
  const options = { access: { url: server.url }, name: "keeper", observer: silentObserver, ackWaitMs: 10_000 };
  await t.throwsAsync(openKeeper(options), { instanceOf: RangeError });
});

test("a process ends by itself, whether its keeper was disposed of or forgotten", async (t) => {
  const keeper = JSON.stringify(new URL("./keeper.ts", import.meta.url).href);
  for (const ending of ["await keeper[Symbol.asyncDispose]();", ""]) {
    const script = `
      import { openKeeper } from ${keeper};
      const observer = { alarm: console.error, note() {}, step() {} };
      const keeper = await openKeeper({ access: { url: ${JSON.stringify(server.url)} }, name: "keeper", observer });
      ${ending}`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["ignore", "inherit", "pipe"],
    });
    let errors = "";
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    const [code] = await once(child, "exit");
    t.is(code, 0);
    t.is(errors, "");
  }
});
