import { TimeoutError } from "@nats-io/nats-core";
import { jetstreamManager } from "@nats-io/jetstream";
import test from "ava";
import { openRequests } from "../broker/requests.ts";
import { defineLockType } from "../definition/lock_type.ts";
import { within } from "../testing/patience.ts";
import { joinGrid, type Party, startTestBroker, take, TTL_MS, wait } from "./_grid_test.ts";
import { startRevived } from "../lease/_revive_test.ts";
import type { AskedWant, FromBooks } from "../tally/book_messages.ts";
import { openBooks } from "../books/books.ts";
import { openBrokerClock } from "../lease/broker_clock.ts";
import { LeaseState } from "../lease/lease_state.ts";
import { openTallyBucket, type TallyBucket } from "../books/tally_bucket.ts";

const site = defineLockType("outage_site");
/** The TTL of leases that outlast a start of the broker on a busy machine, ms. */
const LONG_TTL_MS = 60_000;
/** How long a test waits for what should come at once, ms. */
const PATIENCE_MS = 20_000;

test("a reader keeps its lease over a kill and a new start of the broker, and who waits for it goes on when it ends", async (t) => {
  const first = await startTestBroker();
  await using here = await joinGrid(first.url, { worker: "here", ttlMs: LONG_TTL_MS });
  await using there = await joinGrid(first.url, { worker: "there", ttlMs: LONG_TTL_MS });
  const [turn] = await take(here, site.shared("kept"));
  const writing = wait(there, site.exclusive("kept"));
  first.kill("SIGKILL");
  await first.exited;
  await using _second = await startTestBroker({ port: first.port, dataDir: first.dataDir });
  t.false(turn?.signal.aborted);
  await turn?.release();
  for (const each of await writing) await each.release();
});

test("where the bucket is deleted, holders of tallies lose their leases, and others take anew", async (t) => {
  await using server = await startTestBroker();
  await using here = await joinGrid(server.url, { worker: "here", ttlMs: 5_000 });
  await using there = await joinGrid(server.url, { worker: "there" });
  const [turn] = await take(here, site.exclusive("gone"));
  const lost = new Promise((resolve) => turn?.signal.addEventListener("abort", resolve, { once: true }));
  await here.broker.jsm.streams.delete("KV_locks");
  const [next] = await wait(there, site.shared("gone"));
  await lost;
  t.is(turn?.signal.reason.name, "LeaseLostError");
  t.true((next?.fencingToken ?? 0) > (turn?.fencingToken ?? Infinity));
});

test("a tally that a killed broker brings back counts for nothing once it is older than its own time to live", async (t) => {
  const farMs = Date.now() + 86_400_000;
  const lease = { holder: "gone", worker: "w", taskId: "t", since: "", untilMs: farMs, ttlMs: 1_000 };
  const text = JSON.stringify({ by: "gone", leases: [lease] });
  const key = site.concurrency("back").key;
  await using server = await startRevived([], [{ bucket: "locks", key, text }]);
  await using party = await joinGrid(server.url, { worker: "here" });
  const stored = await party.broker.jsm.streams.getMessage("KV_locks", { last_by_subj: `$KV.locks.${key}` });
  t.is(stored?.string(), text); // the broker has it again
  t.is((await take(party, site.concurrency("back", 1))).length, 1);
});

/** Books of one process over a bucket, with what they told. */
async function openTestBooks(party: Party, around: (bucket: TallyBucket) => TallyBucket) {
  const { nc } = party.broker;
  const jsm = await jetstreamManager(nc, { checkAPI: false });
  const told: FromBooks[] = [];
  const hears = new Set<() => void>();
  const books = openBooks({
    bucket: around(openTallyBucket(openRequests(nc, { timeoutMs: 5_000 }), jsm)),
    clock: openBrokerClock(jsm),
    tell(message) {
      told.push(message);
      for (const hear of hears) hear();
    },
  });
  async function heard<Kind extends FromBooks["kind"]>(
    kind: Kind,
    id: number,
  ): Promise<Extract<FromBooks, { kind: Kind }>> {
    for (;;) {
      const found = told.find((message) => message.kind === kind && "id" in message && message.id === id);
      if (found !== undefined) return found as Extract<FromBooks, { kind: Kind }>;
      const news = new Promise<void>((resolve) => hears.add(resolve));
      await within(news, () => `"${kind}" of ${id} (told: ${JSON.stringify(told)})`, PATIENCE_MS);
    }
  }
  return { books, heard, [Symbol.asyncDispose]: () => books[Symbol.asyncDispose]() };
}

function want(id: number, key: string, limit: AskedWant["limit"]): AskedWant {
  const { shared } = new LeaseState(TTL_MS);
  const names = { holder: `h${id}`, worker: "w", taskId: "t", since: "" };
  return { id, key, mode: "one", limit, ...names, ttlMs: TTL_MS, others: 0, shared };
}

/** A bucket whose writes with a number in `deaf` are stored and never answered. */
function deafAt(deaf: readonly number[], { write, ...bucket }: TallyBucket): TallyBucket {
  let writes = 0;
  return {
    ...bucket,
    async write(...args) {
      const revision = await write(...args);
      if (deaf.includes(++writes)) throw new TimeoutError();
      return revision;
    },
  };
}

test("a write whose answer was lost is found again: it grants once, and gives quota back once", async (t) => {
  await using server = await startTestBroker();
  await using party = await joinGrid(server.url, { worker: "here" });
  await using opened = await openTestBooks(party, (bucket) => deafAt([1, 2], bucket));
  const { books, heard } = opened;
  const limit = { rate: { count: 2, perMs: 86_400_000 } };
  const key = site.rate("deaf").key;
  books.hear({ kind: "ask", want: want(1, key, limit) });
  await heard("granted", 1);
  books.hear({ kind: "drop", key, id: 1, hasBegun: false });
  for (const id of [2, 3, 4]) books.hear({ kind: "ask", want: want(id, key, limit) });
  await heard("granted", 2);
  await heard("granted", 3);
  await heard("held", 4);
  t.pass();
});
