import { jetstreamManager } from "@nats-io/jetstream";
import { startTestNatsServer } from "@muster/local";
import test from "ava";
import { connectNats } from "../connection/connection.ts";
import { dateFall, holdsWork } from "./date_fall.ts";

/** A stream of seven messages, each of another millisecond, of which the second, fourth and fifth were deleted. */
async function startStream() {
  await using opened = new AsyncDisposableStack();
  const server = opened.use(await startTestNatsServer());
  const nc = await connectNats({ url: server.url, name: "date test" });
  opened.defer(() => nc.close());
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: "S", subjects: ["s.>"] });
  const times: number[] = [];
  while (times.length < 7) {
    const { seq } = await jsm.jetstream().publish(`s.${times.length}`);
    const at = (await jsm.streams.getMessage("S", { seq }))?.time.getTime() ?? 0;
    if (at === times.at(-1)) await jsm.streams.deleteMessage("S", seq);
    else times.push(at);
  }
  const kept = [0, 2, 5, 6];
  for (const index of [1, 3, 4]) {
    const stored = await jsm.streams.getMessage("S", { last_by_subj: `s.${index}` });
    await jsm.streams.deleteMessage("S", stored?.seq ?? 0);
  }
  const { state, created } = await jsm.streams.info("S");
  const position = {
    ...{ createdAt: created, lastSequence: state.last_seq },
    ...{ firstAt: state.first_ts, lastAt: state.last_ts },
  };
  const own = opened.move();
  return { jsm, times, kept, position, [Symbol.asyncDispose]: () => own.disposeAsync() };
}

const iso = (ms: number | undefined) => new Date(ms ?? Number.NaN).toISOString();

test("a fall is dated by the newest message from before the mark, whatever was stored since and whatever was deleted", async (t) => {
  await using stream = await startStream();
  const { jsm, times, position } = stream;
  const since = async (markedMs: number) => {
    const markedAt = iso(markedMs);
    const seen = {
      database: { number: 7, positions: { S: position }, markedAt },
      ...{ nats: undefined, positions: { S: position } },
    };
    const fall = { kind: "NATS fell", since: markedAt, until: markedAt, isWhole: false } as const;
    const dated = await dateFall(jsm, seen, { ...fall, streams: [{ stream: "S", lost: 3 }] });
    return "since" in dated ? dated.since : "";
  };
  for (const [marked, newest] of [
    [1, 0],
    [2, 0],
    [3, 2],
    [5, 2],
    [6, 5],
  ] as const) {
    t.is(await since(times[marked] ?? 0), iso(times[newest]), `marked at ${marked}`);
  }
  t.is(await since((times[6] ?? 0) + 1), iso(times[6]), "nothing was stored since");
  t.is(await since(times[0] ?? 0), iso(times[0]), "nothing is known of before: the mark's own time");
});

test("of a stream that was restored from a backup only what is older than its new birth counts, and of several the oldest moment", async (t) => {
  await using stream = await startStream();
  const { jsm, times, position } = stream;
  const markedAt = iso((times[6] ?? 0) + 10_000);
  const was = { ...position, createdAt: "2020-01-01T00:00:00.123456789Z" };
  const restored = { ...position, createdAt: iso(times[5]) };
  const seen = {
    database: { number: 7, positions: { S: was, T: position }, markedAt },
    ...{ nats: undefined, positions: { S: restored, T: position } },
  };
  const fall = { kind: "NATS fell", since: markedAt, until: markedAt, isWhole: false } as const;
  const streams = [
    { stream: "T", lost: 1 },
    { stream: "S", lost: 0 },
  ];
  t.like(await dateFall(jsm, seen, { ...fall, streams }), { since: iso(times[2]) });
  t.like(await dateFall(jsm, seen, { ...fall, isWhole: true, since: iso(times[0]), streams }), {
    since: iso(times[0]),
  });
});

test("the moment of TASKS counts, and not that of a bucket that was at rest for long", async (t) => {
  await using stream = await startStream();
  const { jsm, times, position } = stream;
  await jsm.streams.add({ name: "TASKS", subjects: ["tasks.>"] });
  const { seq } = await jsm.jetstream().publish("tasks.A.lhcb");
  const stored = await jsm.streams.getMessage("TASKS", { seq });
  const markedAt = iso((stored?.time.getTime() ?? 0) + 10_000);
  const tasks = { ...position, lastSequence: 1, lastAt: stored?.time.toISOString() ?? "" };
  const positions = { S: position, TASKS: tasks };
  const seen = { database: { number: 7, positions, markedAt }, nats: undefined, positions };
  const streams = ["S", "TASKS"].map((name) => ({ stream: name, lost: 1 }));
  const fall = { kind: "NATS fell", since: markedAt, until: markedAt, isWhole: false, streams } as const;
  t.like(await dateFall(jsm, seen, fall), { since: stored?.time.toISOString() });
  t.like(await dateFall(jsm, seen, { ...fall, streams: streams.slice(0, 1) }), { since: iso(times[6]) });
  t.true(holdsWork({ streams }));
  t.false(holdsWork({ streams: streams.slice(0, 1) }), "a bucket holds no children");
});
