import { startNatsServer } from "@muster/local";
import { type ConsumerInfo, jetstreamManager } from "@nats-io/jetstream";
import { headers, NoRespondersError } from "@nats-io/nats-core";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNats } from "../connection/connection.ts";
import { openReader, type ReaderOptions } from "./stream_reader.ts";

/** A stream of our own on `s.>`. */
async function startStream() {
  const opened = new AsyncDisposableStack();
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-reader-")));
  const server = opened.use(await startNatsServer({ dataDir: folder.path, syncInterval: "lazy" }));
  const nc = await connectNats({ url: server.url, name: "tester" });
  opened.defer(() => nc.close());
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: "S", subjects: ["s.>"], allow_direct: false });
  const js = jsm.jetstream();
  async function store(subject: string, count: number): Promise<void> {
    for (let left = count; left > 1; left--) nc.publish(subject, String(left));
    await js.publish(subject, "last");
  }
  const read: ReaderOptions = { stream: "S", filter: "s.>", from: 1, content: "whole", what: "events" };
  return { nc, jsm, js, store, read, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

test("each message is read once and in order, over many pulls, and more are told at the place where a reading ended", async (t) => {
  await using stream = await startStream();
  await stream.store("s.a", 12_000);
  await stream.store("s.b", 3);
  await using reader = await openReader(stream, stream.read);
  t.is(reader.pending, 12_003);
  const seen: number[] = [];
  const visit = ({ seq }: { readonly seq: number }) => {
    seen.push(seq);
    return "more" as const;
  };
  t.is(await reader.read(visit, 7), "more");
  t.is(await reader.read(visit, 11_000), "more");
  t.is(await reader.read(visit), "over");
  t.deepEqual(
    seen,
    Array.from({ length: 12_003 }, (_, index) => index + 1),
  );
  await using some = await openReader(stream, { ...stream.read, filter: "s.b" });
  t.is(await some.read(({ seq }) => (seq === 12_002 ? "enough" : "more")), "over");
  await using none = await openReader(stream, { ...stream.read, filter: "s.c" });
  t.is(await none.read(() => t.fail()), "over");
});

test("headers alone are read where the bodies are not wanted, bytes are bounded, and a reader has a name and a description until it is over", async (t) => {
  await using stream = await startStream();
  const { js, jsm, read } = stream;
  const own = headers();
  own.set("Task-Id", "t1");
  // More than one pull may bring at once.
  for (let count = 0; count < 12; count++) await js.publish("s.a", new Uint8Array(900_000), { headers: own });
  const before = Date.now() - 60_000;
  let bytes = 0;
  {
    await using whole = await openReader(stream, read);
    await whole.read(({ data }) => {
      bytes += data.length;
      return "more";
    });
  }
  t.is(bytes, 12 * 900_000);
  await using reader = await openReader(stream, {
    ...read,
    content: "headers",
    what: "dead letters",
    from: new Date(before),
  });
  const consumers: ConsumerInfo[] = [];
  for await (const info of jsm.consumers.list("S")) consumers.push(info);
  t.is(consumers.length, 1, "the reader before it has gone");
  t.regex(consumers[0]?.name ?? "", /^muster_reads_dead_letters_/);
  t.is(consumers[0]?.config.description, "Muster: reads dead letters; lapses by itself");
  await reader.read(({ data, headers: theirs, storedAtMs }) => {
    t.is(data.length, 0);
    t.is(theirs?.get("Task-Id"), "t1");
    t.true(storedAtMs > before && storedAtMs < before + 600_000);
    return "more";
  });
});

test("a reading ends by an error where its consumer has gone, its visitor throws, or the connection is closed", async (t) => {
  await using stream = await startStream();
  const { nc, jsm, read } = stream;
  await stream.store("s.a", 10);
  await using reader = await openReader(stream, read);
  await t.throwsAsync(
    reader.read(() => {
      throw new RangeError("no more");
    }),
    { message: "no more" },
  );
  await using gone = await openReader(stream, read);
  for await (const { name } of jsm.consumers.list("S")) await jsm.consumers.delete("S", name);
  await t.throwsAsync(
    gone.read(() => "more"),
    { instanceOf: NoRespondersError },
  );
  await using late = await openReader(stream, read);
  await nc.close();
  await t.throwsAsync(
    late.read(() => "more"),
    { message: /connection to NATS was closed/ },
  );
});
