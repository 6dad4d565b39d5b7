import {
  atLeastOnceFactory,
  createPublisher,
  defineLockType,
  exponentialBackoff,
  openBroker,
  type Publisher,
  type StepName,
} from "@muster/tasks";
import { startTestServer } from "@muster/ledger/testing";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import test from "ava";
import * as z from "zod";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";
import { overridden } from "../support/overridden.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const unique = { key: "site", mode: "replace" } as const;
const siteLock = defineLockType("unique_race");
const Numbered = z.strictObject({ number: z.number(), lock: z.string().default("free") });
const ENDS: readonly StepName[] = ["done", "dropped", "retry", "dead"];

/** A task without a database that waits for the lock in its payload, and notes its number. */
function noting(ran: number[], lockWaitMs?: number) {
  return atLeastOnceFactory()({
    name: "NoteTask",
    per: "vo",
    payload: Numbered,
    retry: exponentialBackoff({ maxRetries: 300, firstDelayMs: 1_000, maxDelayMs: 1_000 }),
    ...(lockWaitMs === undefined ? {} : { lockWaitMs }),
    locks: ({ lock }) => (lock === "free" ? [] : [siteLock.mutex(lock)]),
    execute: ({ payload: { number } }) => ran.push(number),
  });
}

/** What a worker says last of a task in hand: the first of its ends. */
async function endOf(muster: Muster, taskId: string): Promise<StepName> {
  const { step } = await muster.events.find(
    (told) => told.taskId === taskId && told.worker !== "publisher" && ENDS.includes(told.step),
    `the end of ${taskId}`,
  );
  return step;
}

test("I32: a replaced task in a worker's hand does not run once the newer one has ended, and its row says so", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(server);
  const ran: number[] = [];
  const NoteTask = noting(ran);
  const OnceTask = defineSqlTask({
    name: "OnceTask",
    per: "vo",
    payload: Numbered,
    locks: ({ lock }) => (lock === "free" ? [] : [siteLock.mutex(lock)]),
    execute: ({ deps, taskId }) => deps.sql(effectOf(taskId)).then(() => {}),
  });
  const holder = await muster.hold("unique_race.held", 600_000);
  await muster.startWorker({ tasks: [NoteTask] });
  await muster.startWorker({ tasks: [OnceTask], ...database.forWorker });
  const given = { vo: "lhcb", unique } as const;
  const old = [
    await muster.publish(NoteTask, { ...given, payload: { number: 1, lock: "held" } }),
    await muster.publish(OnceTask, { ...given, payload: { number: 1, lock: "held" } }),
  ];
  for (const { taskId } of old) await muster.event("contended", taskId);
  const newer = [
    await muster.publish(NoteTask, { ...given, payload: { number: 2 } }),
    await muster.publish(OnceTask, { ...given, payload: { number: 2 } }),
  ];
  for (const { taskId } of newer) await muster.event("done", taskId);
  t.deepEqual(
    newer.map(({ replaced }) => replaced),
    old.map(({ taskId }) => taskId),
  );
  await muster.settled();
  await holder.letGo();
  for (const { taskId } of old) t.is(await endOf(muster, taskId), "dropped");
  t.deepEqual(ran, [2]);
  const once = old[1]?.taskId ?? "";
  t.is(await database.effects(once), 0);
  t.like(await database.database.ledger.recall(once), { outcome: "dropped" });
  // The key is free for the next one all the same.
  const next = await muster.publish(NoteTask, { ...given, payload: { number: 3 } });
  t.deepEqual([next.replaced, next.duplicate], [undefined, false]);
  await muster.event("done", next.taskId);
});

test("I32: a task that failed before it began has begun: none replaces it any more, and its retry runs", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran, 0);
  const holder = await muster.hold("unique_race.held", 600_000);
  await muster.startWorker({ tasks: [NoteTask] });
  const given = { vo: "lhcb", unique } as const;
  const first = await muster.publish(NoteTask, { ...given, payload: { number: 1, lock: "held" } });
  await muster.event("retry", first.taskId);
  const second = await muster.publish(NoteTask, { ...given, payload: { number: 2 } });
  t.is(second.replaced, undefined);
  await holder.letGo();
  for (const { taskId } of [first, second]) await muster.event("done", taskId);
  t.deepEqual(ran.toSorted(), [1, 2]);
});

/** A message or request that is held back until it may go on. */
interface Hold {
  /** Resolves once it is held back. */
  readonly held: Promise<void>;
  goOn(): void;
}

/** A publisher on a connection of its own. */
interface Slow extends AsyncDisposable {
  readonly publisher: Publisher;
  /** Holds back the `count`-th message or request from now on whose subject begins with `prefix`. */
  holdBack(prefix: string, count?: number): Hold;
}

async function slowPublisher(muster: Muster): Promise<Slow> {
  const nc = await connect({ servers: muster.nats.url });
  const holds: ((subject: string) => Promise<void> | undefined)[] = [];
  function heldAt(subject: string): Promise<void> | undefined {
    for (const hold of holds) {
      const goesOn = hold(subject);
      if (goesOn !== undefined) return goesOn;
    }
    return undefined;
  }
  const publish: NatsConnection["publish"] = (...message) => {
    const goesOn = heldAt(message[0]);
    if (goesOn === undefined) nc.publish(...message);
    else void goesOn.then(() => nc.publish(...message));
  };
  const request: NatsConnection["request"] = async (...message) => {
    await heldAt(message[0]);
    return await nc.request(...message);
  };
  return {
    publisher: createPublisher(await openBroker(overridden(nc, { publish, request }))),
    holdBack(prefix, count = 1) {
      const held = Promise.withResolvers<void>();
      const release = Promise.withResolvers<void>();
      let seen = 0;
      holds.push((subject) => {
        if (!subject.startsWith(prefix) || ++seen !== count) return undefined;
        held.resolve();
        return release.promise;
      });
      return { held: held.promise, goOn: release.resolve };
    },
    [Symbol.asyncDispose]: () => nc.close(),
  };
}

const debounce = { key: "site", mode: "debounce", wait: { seconds: 1 } } as const;

test("I32: a debounced task runs once, also where another publisher meets its claim and stores it after it has run", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran);
  const holder = await muster.hold("unique_race.held", 600_000);
  await muster.startWorker({ tasks: [NoteTask] });
  await using slow = await slowPublisher(muster);
  await using helper = await slowPublisher(muster);
  const noteOfPlace = slow.holdBack("$KV.results.unique.", 2);
  const storing = helper.holdBack("later.");
  const given = { vo: "lhcb", taskId: "slow", payload: { number: 1, lock: "held" } } as const;
  const published = slow.publisher.publish(NoteTask, { ...given, unique: debounce });
  await noteOfPlace.held; // it is stored, and its place is not noted
  const helped = helper.publisher.publish(NoteTask, {
    ...{ vo: "lhcb", taskId: "helper", payload: { number: 2 } },
    unique: { key: "site", mode: "one waiting" },
  });
  await storing.held;
  await holder.letGo();
  await muster.event("done", "slow");
  storing.goOn();
  noteOfPlace.goOn();
  t.is((await helped).duplicateOf, "slow");
  t.is((await published).taskId, "slow");
  await muster.settled();
  t.deepEqual(ran, [1]);
});

test("I32: the newest task of a key runs once, also where a slow publisher that it had replaced looks for it as it begins", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran);
  const holder = await muster.hold("unique_race.held", 600_000);
  await muster.startWorker({ tasks: [NoteTask] });
  await using slow = await slowPublisher(muster);
  const storing = slow.holdBack("later.");
  const looking = slow.holdBack("$JS.API.STREAM.MSG.GET.LATER");
  const published = slow.publisher.publish(NoteTask, {
    ...{ vo: "lhcb", taskId: "slow", payload: { number: 1 } },
    unique: debounce,
  });
  await storing.held;
  const newest = await muster.publish(NoteTask, {
    ...{ vo: "lhcb", payload: { number: 2, lock: "held" } },
    unique: debounce,
  });
  t.is(newest.replaced, "slow");
  await muster.event("contended", newest.taskId);
  storing.goOn();
  await looking.held; // it has read that the newest one waits
  await holder.letGo();
  await muster.event("done", newest.taskId);
  t.is(await endOf(muster, "slow"), "dropped");
  await muster.settled();
  looking.goOn();
  await published;
  await muster.settled();
  t.deepEqual(ran, [2]);
});

test("a message that is removed between looking and deleting does not fail the publish of the task that replaces it", async (t) => {
  await using muster = await startMuster();
  const NoteTask = noting([]);
  const given = { vo: "lhcb", unique } as const;
  // The server has one word for a message that is gone from between others, and another one for the oldest.
  await muster.publish(NoteTask, { vo: "lhcb", payload: { number: 0 } });
  const first = await muster.publish(NoteTask, { ...given, payload: { number: 1 } });
  await using late = await slowPublisher(muster);
  const deleting = late.holdBack("$JS.API.STREAM.MSG.DELETE.TASKS");
  const published = late.publisher.publish(NoteTask, { ...given, payload: { number: 2 } });
  await deleting.held;
  await muster.broker.jsm.streams.deleteMessage("TASKS", first.sequence);
  deleting.goOn();
  t.is((await published).replaced, first.taskId);
});

test("I32: a task that is published again under its id after another one had replaced it runs, and a repeat of one that has ended holds no key", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran);
  const publish = (number: number, taskId: string) =>
    muster.publish(NoteTask, { vo: "lhcb", payload: { number }, unique, taskId });
  await publish(1, "first");
  await publish(2, "second");
  t.is((await publish(1, "first")).replaced, "second");
  await muster.startWorker({ tasks: [NoteTask] });
  await muster.event("done", "first");
  await muster.settled();
  t.like(await publish(1, "first"), { duplicate: true, replaced: undefined });
  t.like(await publish(3, "third"), { duplicate: false, replaced: undefined });
  await muster.event("done", "third");
  await muster.settled();
  t.deepEqual(ran, [1, 3]);
});

test("I32: a repeat of a unique task that has ended takes no newer one's place, by the ledger and by a kept result", async (t) => {
  await using muster = await startMuster();
  await using database = await createTestDatabase(server);
  const ran: number[] = [];
  const NoteTask = noting(ran);
  const OnceTask = defineSqlTask({
    name: "OnceTask",
    per: "vo",
    payload: Numbered,
    locks: ({ lock }) => (lock === "free" ? [] : [siteLock.mutex(lock)]),
    execute: ({ payload: { number } }) => void ran.push(number),
  });
  const holder = await muster.hold("unique_race.held", 600_000);
  await muster.startWorker({ tasks: [NoteTask] });
  await muster.startWorker({ tasks: [OnceTask], ...database.forWorker });
  const publisher = createPublisher(muster.broker, { ledger: database.database.ledger });
  const publishBoth = async (number: number, lock: string) => {
    const given = { vo: "lhcb", unique, payload: { number, lock } } as const;
    const keepResult = { hours: 1 };
    return [
      await publisher.publish(NoteTask, { ...given, taskId: `note ${number}`, keepResult }),
      await publisher.publish(OnceTask, { ...given, taskId: `once ${number}` }),
    ];
  };
  for (const { taskId } of await publishBoth(1, "free")) await muster.event("done", taskId);
  const newer = await publishBoth(2, "held");
  for (const { taskId } of newer) await muster.event("contended", taskId);
  for (const repeat of await publishBoth(1, "free")) t.like(repeat, { duplicate: true, replaced: undefined });
  await holder.letGo();
  for (const { taskId } of newer) await muster.event("done", taskId);
  t.deepEqual(ran, [1, 1, 2, 2]);
});

test("I32: that a delayed task was replaced by one which starts at once is known until after its time", async (t) => {
  await using muster = await startMuster();
  const ran: number[] = [];
  const NoteTask = noting(ran);
  await muster.startWorker({ tasks: [NoteTask] });
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);
  const publish = (number: number, at?: Date) =>
    muster.publish(NoteTask, { vo: "lhcb", payload: { number }, unique, ...(at && { at }) });
  const delayed = await publish(1, inDays(200));
  const newer = await publish(2);
  t.is(newer.replaced, delayed.taskId);
  await muster.event("done", newer.taskId);
  const entry = await muster.broker.jsm.streams.getMessage("KV_results", {
    last_by_subj: "$KV.results.unique.NoteTask.lhcb.site",
  });
  t.true(Number.parseInt(entry?.header.get("Nats-TTL") ?? "", 10) > 200 * 86_400);
  t.deepEqual(ran, [2]);
});
