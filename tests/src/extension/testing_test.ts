import { ExtensionsClashError } from "@muster/app";
import { openTestDatabase, runExtensionTask } from "@muster/app/testing";
import { startTestServer } from "@muster/ledger/testing";
import { atLeastOnceFactory } from "@muster/tasks";
import { assertDone, assertFailed, assertLogged } from "@muster/tasks/testing";
import test from "ava";
import { extension, ReadTideTask } from "./tide/mod.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("a task of an extension runs with the deps that the extension makes, on a database that has its tables", async (t) => {
  await using database = await openTestDatabase(await server.createEmptyUrl(), [extension]);
  const first = await runExtensionTask(extension, ReadTideTask, { database, taskId: "t1" });
  t.deepEqual(assertDone(first), { readings: 1 });
  t.deepEqual(first.locks, ["tide_gauge.harbour", "periodic.ReadTideTask"]);
  assertLogged(first, "read the tide", { taskId: "t1", centimetres: 412 });
  t.like(await runExtensionTask(extension, ReadTideTask, { database, taskId: "t1" }), { kind: "duplicate" });
  t.deepEqual(assertDone(await runExtensionTask(extension, ReadTideTask, { database })), { readings: 2 });
});

test("without a database the transaction is what is missing, and a task of another extension is refused by name", async (t) => {
  const lost = await runExtensionTask(extension, ReadTideTask);
  t.regex(String(assertFailed(lost, "retry")), /Cannot open a transaction for ReadTideTask: this test has no database/);
  const EbbTask = atLeastOnceFactory()({ name: "EbbTask", execute() {} });
  await t.throwsAsync(runExtensionTask(extension, EbbTask), {
    instanceOf: TypeError,
    message:
      'Cannot run EbbTask with what extension "tide" makes: it has no such task, only ReadTideTask; add it to its tasks',
  });
  await t.throwsAsync(openTestDatabase("postgres://127.0.0.1:1/none", [extension, extension]), {
    instanceOf: ExtensionsClashError,
  });
});
