import { startTestServer } from "@muster/ledger/testing";
import { atLeastOnceFactory, noRetry } from "@muster/tasks";
import { findDeadLetter, requeueDeadLetter, requeueDeadLetters } from "@muster/tasks/operate";
import test from "ava";
import { createTestDatabase, defineSqlTask, effectOf } from "../support/database.ts";
import { type Muster, startMuster } from "../support/muster.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

const MendedTask = defineSqlTask({
  name: "MendedTask",
  per: "vo",
  retry: noRetry(),
  async execute({ deps, taskId, attempt }) {
    await deps.sql(effectOf(taskId));
    if (attempt === 1) throw new Error("the site was down");
  },
});

async function onlyLetter(muster: Muster) {
  const [letter, ...others] = await muster.deadLetters();
  if (letter === undefined || others.length > 0)
    throw new Error(`there are ${others.length} more dead letters than one`);
  return letter;
}

test("a task that died and is requeued runs under the next attempt, has one effect, and leaves no dead letter", async (t) => {
  await using database = await createTestDatabase(server);
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [MendedTask], ...database.forWorker });
  const { taskId } = await muster.publish(MendedTask, { vo: "lhcb" });
  await muster.event("dead", taskId);
  await muster.settled();

  t.deepEqual((await requeueDeadLetters(muster.broker, {})).requeued, [taskId]);
  t.is((await muster.event("done", taskId)).attempt, 2);
  await muster.settled();
  t.is(await database.effects(taskId), 1);
  t.like(await database.database.ledger.recall(taskId), { outcome: "done", attempt: 2 });
  t.deepEqual(await muster.deadLetters(), []);
  t.deepEqual(muster.events.of(taskId), ["started", "dead", "started", "done"]);
});

test("a dead letter whose task cannot be stored again stays where it lies", async (t) => {
  const DeadTask = atLeastOnceFactory()({
    name: "DeadTask",
    per: "vo",
    retry: noRetry(),
    execute() {
      throw new Error("no");
    },
  });
  await using muster = await startMuster();
  await muster.startWorker({ tasks: [DeadTask] });
  const { taskId } = await muster.publish(DeadTask, { vo: "lhcb" });
  await muster.event("dead", taskId);
  const letter = await onlyLetter(muster);

  async function refuse(): Promise<never> {
    throw new Error("insufficient resources");
  }
  const full = { ...muster.broker, requests: { ...muster.broker.requests, store: refuse } };
  await t.throwsAsync(requeueDeadLetter(full, letter), { message: /insufficient resources/ });
  t.like(await findDeadLetter(muster.broker, letter.sequence), { taskId, attempt: 1 });
});
