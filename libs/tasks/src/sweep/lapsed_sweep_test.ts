import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { LAPSE_MARGIN_MS } from "../broker/timed_entry.ts";
import { silentObserver } from "../connection/observer.ts";
import { createReporter } from "../lead/reporter.ts";
import { hold, joinGrid } from "../locks/_grid_test.ts";
import { startRevived, storedHolder } from "../lease/_revive_test.ts";
import { startScheduler } from "../schedule/start_scheduler.ts";
import { createLapsedSweep } from "./lapsed_sweep.ts";

const [FORGOTTEN, TAKEN] = ["my_pilot.forgotten", "my_pilot.taken"];
const ENDED = { bucket: "workers", key: "ended", text: "{}" };

test("entries that the server has brought back are deleted, and no living lock, nothing that was stored by hand, and nothing that was taken meanwhile", async (t) => {
  await using server = await startRevived([FORGOTTEN, TAKEN], [ENDED]);
  await using party = await joinGrid(server.url, { ttlMs: 60_000 });
  const { broker, locks } = party;
  const isThere = async (bucket: string, key: string) => {
    const { state } = await broker.jsm.streams.info(`KV_${bucket}`, { subjects_filter: ">" });
    return state.subjects?.[`$KV.${bucket}.${key}`] === 1;
  };
  await broker.js.publish("$KV.locks.by-hand", "mine");
  await broker.js.publish("$KV.locks.*", "a pattern");
  const stored = await broker.jsm.streams.getMessage("KV_locks", { last_by_subj: "$KV.locks.by-hand" });
  // Only the broker's clock tells when it is old enough for the sweep to look at it.
  while (!(await broker.time.isPast((stored?.time.getTime() ?? 0) + LAPSE_MARGIN_MS))) await pause(50);
  await using living = await hold(locks, "my_pilot.living");
  t.true(await isThere("workers", ENDED.key), "the server has it again");
  t.is(await storedHolder(party, FORGOTTEN), "gone", "the server has it again");

  // Somebody takes a lock that was brought back between the look at it and its deletion.
  const getMessage = broker.jsm.streams.getMessage.bind(broker.jsm.streams);
  let holder: string | undefined;
  broker.jsm.streams.getMessage = async (...query) => {
    const stored = await getMessage(...query);
    if (holder === undefined && stored?.subject === `$KV.locks.${TAKEN}`) {
      holder = "";
      ({ holder } = await hold(locks, TAKEN));
    }
    return stored;
  };
  await createLapsedSweep(broker, createReporter(silentObserver)).pass();
  broker.jsm.streams.getMessage = getMessage;

  t.is(await storedHolder(party, FORGOTTEN), undefined);
  t.is(await storedHolder(party, TAKEN), holder);
  t.is(await storedHolder(party, "my_pilot.living"), living.holder);
  t.false(await isThere("workers", ENDED.key));
  for (const key of ["older", "newer", "by-hand", "*"]) t.true(await isThere("locks", key), key);
});

test("whoever leads the rest deletes them", async (t) => {
  await using server = await startRevived([FORGOTTEN]);
  await using party = await joinGrid(server.url);
  t.is(await storedHolder(party, FORGOTTEN), "gone", "the server has it again");
  const { broker } = party;
  await using _scheduler = await startScheduler({ broker, nats: { url: server.url }, app: "sweeper", tasks: [] });
  while ((await storedHolder(party, FORGOTTEN)) !== undefined) await pause(50); // nobody tells of it
  t.pass();
});
