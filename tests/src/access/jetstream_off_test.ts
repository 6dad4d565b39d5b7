import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { startApp } from "../apps/app_process.ts";
import { commandsOn } from "../cli/run_muster.ts";
import { startTestNats } from "../support/nats.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** Two accounts, one of them without JetStream. */
const ACCOUNTS = `
accounts {
  GRID { jetstream: enabled, users: [{ user: "grid", password: "grid" }] }
  OTHER { users: [{ user: "other", password: "other" }] }
}
`;

test("where the server has no JetStream, or the account of the user has none, commands, doctor and apps say which and what to do", async (t) => {
  await using off = await startTestNats({ config: "jetstream: false\n" });
  await using accounts = await startTestNats({ config: ACCOUNTS });
  const DATABASE_URL = await server.createUrl();
  const other = { NATS_USER: "other", NATS_PASSWORD: "other" };
  const cases = [
    [
      { NATS_URL: off.url },
      /Cannot use NATS at 127\.0\.0\.1:\d+: JetStream is off at this server; switch it on in its configuration/,
    ],
    [
      { NATS_URL: accounts.url, ...other },
      /Cannot use NATS at 127\.0\.0\.1:\d+: the account of user \\?"other\\?" \(NATS_USER\) has no JetStream; give it to that account/,
    ],
  ] as const;
  for (const [env, told] of cases) {
    const cli = commandsOn({ ...env, DATABASE_URL });
    t.regex((await cli.run("vo", "list")).errors, told);
    t.regex((await cli.run("doctor")).output, new RegExp(`^BAD +NATS: ${told.source}`, "m"));
    const { NATS_URL: natsUrl, ...more } = env;
    await using app = await startApp("report-worker", { natsUrl, databaseUrl: DATABASE_URL, more });
    t.regex(await app.line(/cannot declare the streams yet/), told);
    t.regex((await app.get("/readyz")).text, told);
  }
});
