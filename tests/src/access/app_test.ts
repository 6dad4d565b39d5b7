import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startApp } from "../apps/app_process.ts";
import { startTestNats } from "../support/nats.ts";
import { certificate, mutualTls } from "../support/secured_nats.ts";
import { within } from "../support/until.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

test("an app logs in as a context of the nats command says, and its process shows no secret", async (t) => {
  await using home = await mkdtempDisposable(join(tmpdir(), "muster-access-"));
  const user = 'authorization { users: [ { user: "ops", password: "s3cret" } ] }\n';
  await using nats = await startTestNats({ config: mutualTls() + user });
  await mkdir(join(home.path, "nats", "context"), { recursive: true });
  const context = {
    ...{ url: nats.url.replace("nats:", "tls:"), user: "ops", password: "s3cret" },
    ...{ ca: certificate("ca"), cert: certificate("client"), key: certificate("client_key") },
  };
  await writeFile(join(home.path, "nats", "context", "grid.json"), JSON.stringify(context));
  await using app = await startApp("report-worker", {
    ...{ natsUrl: "", databaseUrl: await server.createUrl() },
    more: { XDG_CONFIG_HOME: home.path, NATS_CONTEXT: "grid" },
  });
  await app.line(/ready for tasks/);
  app.kill("SIGTERM");
  t.deepEqual(await app.exited, { code: 0, signal: null });
  t.notRegex(app.lines.join("\n"), /s3cret/);
});

test("an app whose file for NATS is not there ends at once with the setting and the path", async (t) => {
  await using app = await startApp("report-worker", {
    ...{ natsUrl: "nats://127.0.0.1:1", databaseUrl: "postgres://127.0.0.1:1/x" },
    more: { NATS_CREDS: "/nowhere/ops.creds" },
  });
  t.deepEqual(await app.exited, { code: 1, signal: null });
  t.regex(app.lines.join("\n"), /"fatal".*NATS_CREDS is \\"\/nowhere\/ops\.creds\\", allowed is .*ENOENT/);
});

test("an app that is not let in waits, and says as whom it came", async (t) => {
  await using nats = await startTestNats({ config: 'authorization { token: "t0ken" }\n' });
  await using app = await startApp("report-worker", {
    ...{ natsUrl: nats.url.replace("//", "//s3cret@"), databaseUrl: await server.createUrl() },
    more: {},
  });
  const line = await app.line(/cannot connect to NATS yet/);
  t.regex(line, /does not let in the token of NATS_URL/);
  const { status, text } = await app.get("/readyz");
  t.is(status, 503);
  t.regex(
    text,
    /"check":"NATS","reason":"Cannot connect to NATS at nats:\/\/\*\*\*@.*does not let in the token of NATS_URL/,
  );
  t.notRegex(app.lines.join("\n"), /s3cret/);
});

test("an app whose user is taken away while it runs ends and says why", async (t) => {
  const users = (...names: string[]) =>
    `authorization { users: [ ${names.map((name) => `{ user: ${name}, password: s3cret }`).join(", ")} ] }\n`;
  await using nats = await startTestNats({ config: users("ops", "other") });
  await using app = await startApp("report-worker", {
    ...{ natsUrl: nats.url, databaseUrl: await server.createUrl() },
    more: { NATS_USER: "ops", NATS_PASSWORD: "s3cret" },
  });
  await app.line(/ready for tasks/);
  await nats.reload(users("other"));
  t.deepEqual(await within(app.exited, () => "the app's end"), { code: 1, signal: null });
  t.regex(app.lines.join("\n"), /"fatal".*Authorization Violation/);
  t.notRegex(app.lines.join("\n"), /s3cret/);
});
