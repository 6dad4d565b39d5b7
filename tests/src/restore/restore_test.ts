import { comparingChore, republishChildren, republishRetries } from "@muster/app";
import { runSql, startTestServer } from "@muster/ledger/testing";
import { getHighestFence } from "@muster/ledger";
import { listDelayed, listIncidents, raiseAfterRest } from "@muster/tasks/operate";
import test, { type ExecutionContext } from "ava";
import { workerParts } from "../support/database.ts";
import { until } from "../support/until.ts";
import { ALL_TASKS, log, type Moment, MOMENTS, namesOf, playHistory, relay, VO } from "./history.ts";
import { DoneTask, tokens, WaitTask } from "./tasks.ts";

const server = await startTestServer();
const history = await playHistory(server);
test.after.always(async () => {
  await history[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const never = new AbortController().signal;
/** Fencing tokens of the history are all at or below this one. */
const highestBefore = Math.max(...tokens);

/** What has its effect in the end, once, where NATS and the database were restored to these moments. */
function expectedEffects(nats: Moment, database: Moment): readonly string[] {
  return MOMENTS.flatMap((moment) => {
    // What has ended is in the database alone.
    const ended = moment <= database ? ["done", "parent"] : [];
    const waiting = moment <= nats ? ["wait"] : [];
    // The row of the parent brings its children again, and seals their group.
    const ofParent = moment <= Math.max(nats, database) ? ["child", "grouped", "then"] : [];
    // It was published a moment later, and the outbox of its own moment has it still.
    const fromOutbox = moment < nats || moment === database ? ["outbox"] : [];
    // The key was taken by the task of the first moment.
    const unique = moment === 0 ? ["unique-0"] : [];
    const kinds = [...ended, ...waiting, ...ofParent, ...fromOutbox];
    return [...unique, ...kinds.flatMap((what) => namesOf(what, moment))];
  });
}

/** What waits for its time in the end. The database brings each retry again of which it has the row. */
function expectedDelayed(nats: Moment, database: Moment): readonly string[] {
  const retries = MOMENTS.filter((moment) => moment <= Math.max(nats, database));
  const later = MOMENTS.filter((moment) => moment <= nats);
  return [
    ...later.flatMap((moment) => namesOf("later", moment)),
    ...retries.flatMap((moment) => namesOf("retry", moment)),
  ].sort();
}

interface Moments {
  readonly nats: Moment;
  readonly database: Moment;
}

/** Restores both stores to these moments, starts what an operator starts, and sees that nothing is lost or doubled in silence. */
async function play(t: ExecutionContext, { nats, database }: Moments): Promise<void> {
  await using restored = await history.restore({ nats, database });
  const { muster, database: db } = restored;
  const { broker } = muster;
  // What whoever opens the locks does, once they have rested for two minutes.
  if (nats === database) t.true(await raiseAfterRest(broker, { restMs: 0 }));
  const servers = { broker, database: db, log };
  await comparingChore(servers).run(never);
  const restores = async () => (await listIncidents(broker)).filter(({ kind }) => kind === "restored");
  if (nats !== database) await until(async () => ((await restores()).length > 0 ? true : undefined), "the incident");
  const told = await restores();
  t.log(told.map(({ text }) => text).join("\n"));
  t.is(told.length, nats === database ? 0 : 1);
  if (nats < database)
    t.regex(told[0]?.text ?? "", /^NATS went back to its state of .* is gone: at least .* messages of TASKS/);
  if (nats > database) t.regex(told[0]?.text ?? "", /^The database was restored to its state of /);
  await comparingChore(servers).run(never);
  t.is((await restores())[0]?.times ?? 0, told.length, "told once");

  await runSql(
    db,
    "update task_outcome set settled_at = now() - interval '6 minutes' where published_at is null or outcome = 'retry'",
  );
  await republishChildren(servers);
  await republishRetries(servers, never);
  await relay(servers);
  await using _worker = await muster.startWorker({ tasks: ALL_TASKS, ...workerParts(db) });
  await muster.publish(DoneTask, { vo: VO, taskId: "fresh" });
  const again = await muster.publish(WaitTask, {
    vo: VO,
    taskId: "unique-again",
    unique: { key: "one", mode: "one waiting" },
  });
  await muster.event("done", "fresh");
  await muster.event("done", again.duplicateOf ?? again.taskId);

  const read = async () => {
    const rows = await runSql<{ id: string }>(db, "select task_id as id from effect order by 1");
    return rows.map(({ id }) => history.names.get(id) ?? id).sort();
  };
  await until(async () => ((await muster.waiting()) === 0 ? true : undefined), "all that waits to run");
  t.deepEqual(await read(), [...expectedEffects(nats, database), "fresh"].sort());
  const { tasks: delayed } = await listDelayed(broker, 10_000);
  t.deepEqual(delayed.map(({ taskId }) => taskId).sort(), expectedDelayed(nats, database));
  t.true((tokens.at(-1) ?? 0) > highestBefore);
  t.true((await db.transaction(getHighestFence)) > highestBefore);
}

test.serial(
  "I43: NATS alone is restored to an earlier moment: what can run has its effect once, the rest is told, and no token comes twice",
  (t) => play(t, { nats: 0, database: 2 }),
);

test.serial(
  "I43: the database alone is restored to an earlier moment: what can run has its effect once, the rest is told, and no token comes twice",
  (t) => play(t, { nats: 2, database: 0 }),
);

test.serial(
  "I43: both are restored, NATS to the earlier moment: what can run has its effect once, the rest is told, and no token comes twice",
  (t) => play(t, { nats: 0, database: 1 }),
);

test.serial(
  "I43: both are restored, the database to the earlier moment: what can run has its effect once, the rest is told, and no token comes twice",
  (t) => play(t, { nats: 1, database: 0 }),
);

test.serial(
  "I43: both are restored to the same moment: what can run has its effect once, nothing is told, and no token comes twice",
  (t) => play(t, { nats: 1, database: 1 }),
);
