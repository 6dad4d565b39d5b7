import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mainOf, startApp } from "../apps/app_process.ts";
import { startProcess } from "../support/child_process.ts";
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

/** Settings of NATS that are wrong by themselves, and what the app says last. */
const WRONG: readonly (readonly [told: RegExp, more: Readonly<Record<string, string>>])[] = [
  [/NATS_CREDS is \\"\/nowhere\/ops\.creds\\", allowed is .*ENOENT/, { NATS_CREDS: "/nowhere/ops.creds" }],
  [/NATS_NKEY is .*allowed is the seed of a user's nkey/, { NATS_NKEY: certificate("ca") }],
  [
    /NATS_CREDS is .*allowed is one way to log in: there is user \\"ops\\" \(NATS_USER\) besides/,
    { NATS_USER: "ops", NATS_PASSWORD: "s3cret", NATS_CREDS: "env://USER_CREDS", USER_CREDS: "none" },
  ],
  [/NATS_CONTEXT is \\"nowhere\\", allowed is .*ENOENT/, { NATS_CONTEXT: "nowhere" }],
];

test("an app ends at once with 2 where a setting of NATS is wrong by itself, and names setting, value and what is allowed", async (t) => {
  const apps = ["scheduler", "submit-worker", "check-worker", "report-worker"];
  for (const [index, [told, more]] of WRONG.entries()) {
    await using app = await startProcess(mainOf(apps[index] ?? ""), {
      ...{ NATS_URL: "nats://127.0.0.1:1", DATABASE_URL: "postgres://127.0.0.1:1/x", HTTP_PORT: "0", ...more },
    });
    t.deepEqual(await app.exited, { code: 2, signal: null }, app.lines.join("\n"));
    t.regex(app.lines.at(-1) ?? "", told);
    t.regex(app.lines.at(-1) ?? "", /"fatal"/);
    t.notRegex(app.lines.join("\n"), /s3cret|"err"/);
  }
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
