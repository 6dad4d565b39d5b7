import { startNatsServer } from "@muster/local";
import { jetstreamManager } from "@nats-io/jetstream";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectNats } from "../connection/connection.ts";
import { newestStored } from "./newest_stored.ts";

/** A stream of our own on `s.>`, with what is published there. */
async function startStream() {
  const opened = new AsyncDisposableStack();
  const folder = opened.use(await mkdtempDisposable(join(tmpdir(), "muster-newest-")));
  const server = opened.use(await startNatsServer({ dataDir: folder.path, syncInterval: "lazy" }));
  const nc = await connectNats({ url: server.url, name: "tester" });
  opened.defer(() => nc.close());
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: "S", subjects: ["s.>"], allow_direct: false });
  async function store(subject: string, count: number): Promise<void> {
    for (let left = count; left > 1; left--) nc.publish(subject, String(left));
    await jsm.jetstream().publish(subject, "last");
  }
  return { nc, jsm, store, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

type Broker = Parameters<typeof newestStored>[0];
type Pages = Omit<Parameters<typeof newestStored>[1], "stream" | "before" | "content" | "what">;

const SOURCE = { stream: "S", content: "whole", what: "events" } as const;

/** The sequences of all pages, page by page. */
async function pagesOf(broker: Broker, request: Pages): Promise<number[][]> {
  const pages: number[][] = [];
  for (let before: number | undefined; ; ) {
    const { messages, next } = await newestStored(broker, { ...SOURCE, before, ...request });
    pages.push(messages.map(({ seq }) => seq));
    if (next === undefined || pages.length > 100) return pages;
    before = next;
  }
}

test("pages hold the newest first and each message once, also where few of very many match", async (t) => {
  await using stream = await startStream();
  const { jsm, store } = stream;
  t.deepEqual(await pagesOf(stream, { filter: "s.>", limit: 3 }), [[]]);
  await store("s.rare", 5);
  await store("s.frequent", 5_000);
  await store("s.rare", 2);
  const rare = { filter: "s.rare", limit: 3 };
  t.deepEqual(await pagesOf(stream, rare), [[5_007, 5_006, 5], [4, 3, 2], [1]]);
  await jsm.streams.deleteMessage("S", 5_006);
  await jsm.streams.deleteMessage("S", 1);
  t.deepEqual(await pagesOf(stream, rare), [
    [5_007, 5, 4],
    [3, 2],
  ]);
});

test("a crowd behind a long gap is seen from its newest message on", async (t) => {
  await using stream = await startStream();
  const { store } = stream;
  await store("s.crowd", 2_500);
  await store("s.other", 5_000);
  const { messages, next } = await newestStored(stream, { ...SOURCE, filter: "s.crowd", limit: 2 });
  t.deepEqual([messages.map(({ seq }) => seq), next], [[2_500, 2_499], 2_499]);
});

test("a page ends after some thousand messages that were looked at, and says where the next one begins", async (t) => {
  await using stream = await startStream();
  const { store } = stream;
  await store("s.a", 1);
  await store("s.b", 5_000);
  let looked = 0;
  const accept = ({ subject }: { readonly subject: string }) => {
    looked++;
    return subject === "s.a";
  };
  const rare = { filter: "s.>", limit: 10, lookedAt: 2_000, accept };
  const first = await newestStored(stream, { ...SOURCE, ...rare });
  t.deepEqual(first.messages, []);
  t.true(looked <= 2_300, String(looked));
  t.true(first.next !== undefined && first.next > 1_000);
  const all = await pagesOf(stream, rare);
  t.deepEqual(all.flat(), [1]);
  t.true(all.length >= 2);
});
