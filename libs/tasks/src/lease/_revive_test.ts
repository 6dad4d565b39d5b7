import { nanos } from "@nats-io/nats-core";
import { setTimeout as pause } from "node:timers/promises";
import { headersFrom, MESSAGE_TTL } from "../format/headers.ts";
import { joinGrid, type Party, startTestBroker } from "../locks/_grid_test.ts";
import { LOCKS_STREAM } from "./lock_bucket.ts";

const record = { holder: "gone", worker: "w", taskId: "t", since: "" };
const LONG_MS = 600_000;

/** Who holds `key` by the server's own word: empty where the value tells nobody, undefined where there is none. */
export async function storedHolder({ broker }: Party, key: string): Promise<string | undefined> {
  const stored = await broker.jsm.streams.getMessage(LOCKS_STREAM, { last_by_subj: `$KV.locks.${key}` });
  if (stored === null) return undefined;
  return stored.data.length === 0 ? "" : stored.json<{ holder: string }>().holder;
}

/** Takes and releases the locks of `keys`; settles when their marks have gone. */
async function takeAndRelease(party: Party, keys: readonly string[]): Promise<void> {
  const { bucket } = party;
  // A message that stays before them in the file is what makes the server read on.
  await bucket.write("older", { record, ttlMs: LONG_MS, expected: 0 });
  for (const key of keys) {
    const expected = (await bucket.write(key, { record, ttlMs: 1_000, expected: 0 })) ?? 0;
    await bucket.free(key, { expected, ttlMs: 1_000 });
  }
  for (const key of keys) while ((await storedHolder(party, key)) !== undefined) await pause(50); // nobody tells of it
}

/** Writes `text` twice under `key` of `bucket` with a TTL of a second; settles when it has lapsed and nothing tells of it any more. */
async function writeAndLapse({ broker }: Party, { bucket, key, text }: RevivedEntry): Promise<void> {
  const { js, jsm } = broker;
  const [stream, subject] = [`KV_${bucket}`, `$KV.${bucket}.${key}`];
  await jsm.streams.update(stream, { subject_delete_marker_ttl: nanos(1_000) }); // not to wait for a minute
  await js.publish(`$KV.${bucket}.older`, "{}");
  const headers = headersFrom({ [MESSAGE_TTL]: "1s" });
  for (let count = 0; count < 2; count++) await js.publish(subject, text, { headers });
  while ((await jsm.streams.getMessage(stream, { last_by_subj: subject })) !== null) await pause(50); // nobody tells
}

/** An entry with a TTL that has been renewed and has lapsed. */
export interface RevivedEntry {
  readonly bucket: string;
  readonly key: string;
  readonly text: string;
}

/**
 * A real server that was killed after the locks of `keys` had been taken and released and `entries` had lapsed, and all marks of that had gone:
 * it has them again.
 *
 * It rebuilds the stream from its blocks, where a value that was overwritten still lies and only the mark's own end is noted. And what
 * it had written about times to live, as it does every two minutes and when it is shut down, says that all messages up to then were dealt
 * with. So none of them ever lapses.
 */
export async function startRevived(keys: readonly string[], entries: readonly RevivedEntry[] = []) {
  const first = await startTestBroker();
  const { port, dataDir } = first;
  {
    await using party = await joinGrid(first.url);
    await Promise.all([takeAndRelease(party, keys), ...entries.map((entry) => writeAndLapse(party, entry))]);
  }
  await first.stop();
  const second = await startTestBroker({ port, dataDir });
  {
    // From the next write on its files are stale, so that it does not believe them alone.
    await using party = await joinGrid(second.url);
    await party.bucket.write("newer", { record, ttlMs: LONG_MS, expected: 0 });
    for (const { bucket } of entries) await party.broker.js.publish(`$KV.${bucket}.newer`, "{}");
  }
  second.kill("SIGKILL");
  await second.exited;
  return await startTestBroker({ port, dataDir });
}
