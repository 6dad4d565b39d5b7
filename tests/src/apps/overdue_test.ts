import { migrate } from "@muster/ledger";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { commandsOn } from "../cli/run_muster.ts";
import { startMuster } from "../support/muster.ts";
import { until } from "../support/until.ts";
import { startApp } from "./app_process.ts";

test("a schedule that its leader does not fire makes the scheduler red, the doctor names it with its leader's reason, also where it does not know the task, and both are well once it fires", async (t) => {
  await using server = await startTestServer();
  await using muster = await startMuster({ vos: ["lhcb"] });
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-overdue-"));
  const licence = join(folder.path, "licence");
  const databaseUrl = await server.createUrl();
  await migrate(databaseUrl);
  const ours = {
    MUSTER_EXTENSIONS: join(import.meta.dirname, "licensed.ts"),
    MUSTER_TEST_LICENCE: licence,
  };
  const started = Date.now();
  await using scheduler = await startApp("scheduler", { natsUrl: muster.nats.url, databaseUrl, more: ours });
  const due = String.raw`has been due since (\S+Z)`;
  const why = `middleware "licence" does not let its occurrence pass: .*no licence in .*; mend what that needs`;
  const reason = await until(async () => {
    const { reasons } = JSON.parse((await scheduler.get("/readyz")).text);
    return reasons.find(({ check }: { readonly check: string }) => check === "scheduler")?.reason;
  }, "the scheduler to be red");
  t.regex(
    reason,
    new RegExp(
      `^schedule LicensedTask/lhcb/default ${due} and does not fire: ${why}; \`muster schedule pause LicensedTask\``,
    ),
  );
  const since = new RegExp(due).exec(reason)?.[1] ?? "";
  t.true(Date.parse(since) > started - 1_000 && Date.parse(since) < Date.now() - 9_000, since);
  t.is((await scheduler.get("/healthz")).status, 200, "a restart would not help");

  const servers = { NATS_URL: muster.nats.url, DATABASE_URL: databaseUrl };
  const [knowing, stranger] = [commandsOn({ ...servers, ...ours }), commandsOn(servers)];
  const named = new RegExp(
    `^BAD +schedules: LicensedTask/lhcb/default ${due}, and scheduler-\\S+, which leads it, does not fire it: ${why}; `,
    "m",
  );
  for (const cli of [knowing, stranger]) {
    const told = await until(async () => {
      const { output } = await cli.run("doctor");
      return named.exec(output) ?? undefined;
    }, "the doctor to name it");
    t.is(told[1], since);
  }
  t.regex(
    (await knowing.run("schedule", "list")).output,
    /LicensedTask +lhcb .* on, does not fire .*\n1 schedule does not fire/s,
  );

  await writeFile(licence, "granted");
  await until(async () => ((await scheduler.get("/readyz")).status === 200 ? true : undefined), "readiness");
  t.regex((await stranger.run("doctor")).output, /^ok +schedules: each that is led fires$/m);
});
