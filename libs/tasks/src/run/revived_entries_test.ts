import test from "ava";
import { joinGrid } from "../locks/_grid_test.ts";
import { type RevivedEntry, startRevived } from "../lease/_revive_test.ts";
import { startCounts } from "./poison.ts";
import { listWorkers, registerWorker } from "../presence/registration.ts";

const worker = { name: "submit-worker-1", tasks: ["MyPilotTask"], permits: 20 };
const gone = { ...worker, name: "gone", host: "h", pid: 1, startedAt: "2027-01-31T12:00:00Z" };
const counted = { taskId: "suspect", attempt: 1 };
const entries: readonly RevivedEntry[] = [
  { bucket: "workers", key: "gone", text: JSON.stringify(gone) },
  { bucket: "results", key: "starts.suspect", text: JSON.stringify({ attempt: 1, unended: 5, alone: 5 }) },
];
const server = await startRevived([], entries);
const party = await joinGrid(server.url);
test.after.always(async () => {
  await party[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});
const { broker } = party;

/** The server's own word: it has the entry again, and keeps it. */
async function isThere({ bucket, key, text }: RevivedEntry): Promise<boolean> {
  const stored = await broker.jsm.streams.getMessage(`KV_${bucket}`, { last_by_subj: `$KV.${bucket}.${key}` });
  return stored?.string() === text;
}

test("what lapsed before the server was killed is stored again, and counts for nothing", async (t) => {
  for (const entry of entries) t.true(await isThere(entry), entry.bucket);

  await using _shown = registerWorker(broker, worker);
  await broker.nc.flush();
  t.like(await listWorkers(broker), [worker]);

  const counts = startCounts(broker, worker.name);
  const known = await counts.read(counted);
  t.like(known, { unended: 0, alone: 0 });
  await counts.begin({ ...counted, ack: "$JS.ACK.TASKS.nobody.1.1.1.1.0" }, known);
  t.like(await counts.read(counted), { unended: 1 }, "it takes the revived one's place");
});
