import {
  atLeastOnceFactory,
  connectNats,
  defineLockType,
  type NatsAccess,
  NatsAccessError,
  startScheduler,
} from "@muster/tasks";
import test from "ava";
import { mkdtempDisposable, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandsOn } from "../cli/run_muster.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats, type TestNats } from "../support/nats.ts";
import { newUserKey, operatorMode } from "../support/secured_nats.ts";
import { until, within } from "../support/until.ts";

const accessLock = defineLockType("login_test");
const LockedTask = atLeastOnceFactory()({
  name: "LockedTask",
  per: "vo",
  locks: () => [accessLock.mutex("ce01")],
  execute() {},
});

const temporary = () => mkdtempDisposable(join(tmpdir(), "muster-login-"));

/** A user of the server's configuration whose password has every character that needs care. */
const PASSWORD = "p@ss:w/o,rd%?#";
const USER_CONFIG = `authorization { users: [ { user: "the ops", password: ${JSON.stringify(PASSWORD)} } ] }\n`;
const TOKEN_CONFIG = 'authorization { token: "t0ken+/=s3cret" }\n';

/** Everything that connects: a worker and its keeper, with a lock that it renews, a scheduler, and a command. */
async function useEverything(nats: TestNats, access: NatsAccess, env: Record<string, string>): Promise<string> {
  await using muster = await startMuster({ nats, access });
  await using scheduler = await startScheduler({
    broker: muster.broker,
    nats: access,
    app: "login",
    tasks: [LockedTask],
  });
  await muster.startWorker({ tasks: [LockedTask] });
  const { taskId } = await muster.publish(LockedTask, { vo: "lhcb" });
  await muster.event("done", taskId);
  await until(async () => (scheduler.role === "leading" ? true : undefined), "the lead");
  const list = await commandsOn({ NATS_URL: "", ...env }).run("vo", "list", "--json");
  return list.errors + list.output;
}

interface Way {
  readonly config: string;
  access(nats: TestNats): NatsAccess;
  env(nats: TestNats): Record<string, string>;
}

const inUrl = (url: string, login: string) => url.replace("//", `//${login}@`);

const nkey = newUserKey();
const operator = operatorMode();
const folder = await temporary();
const [seedFile, credsFile] = [join(folder.path, "user.nk"), join(folder.path, "user.creds")];
const passwordFile = join(folder.path, "the ops.password");
await writeFile(passwordFile, `${PASSWORD}\n`);
await writeFile(seedFile, `${nkey.seed}\n`);
await writeFile(credsFile, operator.creds);
test.after.always(() => folder[Symbol.asyncDispose]());

const ways: Readonly<Record<string, Way>> = {
  "user and password": {
    config: USER_CONFIG,
    access: ({ url }) => ({ url, user: "the ops", password: PASSWORD }),
    env: ({ url }) => ({ NATS_URL: url, NATS_USER: "the ops", NATS_PASSWORD: PASSWORD }),
  },
  "user and a file with the password": {
    config: USER_CONFIG,
    access: ({ url }) => ({ url, user: "the ops", passwordFile }),
    env: ({ url }) => ({ NATS_URL: url, NATS_USER: "the ops", NATS_PASSWORD_FILE: passwordFile }),
  },
  "user and password in the URL, percent-encoded": {
    config: USER_CONFIG,
    access: ({ url }) => ({ url: inUrl(url, `the%20ops:${encodeURIComponent(PASSWORD)}`) }),
    env: ({ url }) => ({ NATS_URL: inUrl(url, `the%20ops:${encodeURIComponent(PASSWORD)}`) }),
  },
  "a token": {
    config: TOKEN_CONFIG,
    access: ({ url }) => ({ url, token: "t0ken+/=s3cret" }),
    env: ({ url }) => ({ NATS_URL: url, NATS_USER: "t0ken+/=s3cret" }),
  },
  "a token in the URL of one of several servers": {
    config: TOKEN_CONFIG,
    access: ({ url }) => ({ url: `${inUrl(url, "t0ken+%2F%3Ds3cret")},${url}` }),
    env: ({ url }) => ({ NATS_URL: `${url}, ${inUrl(url, "t0ken+%2F%3Ds3cret")}` }),
  },
  "an nkey": {
    config: `authorization { users: [ { nkey: ${nkey.publicKey} } ] }\n`,
    access: ({ url }) => ({ url, nkeyFile: seedFile }),
    env: ({ url }) => ({ NATS_URL: url, NATS_NKEY: `file://${seedFile}` }),
  },
  "a credentials file": {
    config: operator.config,
    access: ({ url }) => ({ url, credsFile }),
    env: ({ url }) => ({ NATS_URL: url, NATS_CREDS: credsFile }),
  },
  "a JWT and its seed": {
    config: operator.config,
    access: ({ url }) => ({ url, creds: operator.creds }),
    env: ({ url }) => ({
      NATS_URL: url,
      NATS_JWT: operator.jwt,
      NATS_SEED: "env://SOME_SEED",
      SOME_SEED: operator.seed,
    }),
  },
};

for (const [name, { config, access, env }] of Object.entries(ways)) {
  test(`a worker, a scheduler and a command log in by ${name}`, async (t) => {
    await using nats = await startTestNats({ config });
    t.regex(await useEverything(nats, access(nats), env(nats)), /"vo": "lhcb"/);
  });
}

test("who is not let in is told as whom it came, and no secret", async (t) => {
  await using nats = await startTestNats({ config: USER_CONFIG });
  const { url } = nats;
  const wrong: readonly (readonly [NatsAccess, RegExp])[] = [
    [{ url }, /wants to know who we are .*set NATS_CREDS/],
    [{ url, user: "the ops", password: "s3cret" }, /does not let in user "the ops" \(NATS_USER\)/],
    [{ url: inUrl(url, "the%20ops:s3cret") }, /does not let in user "the ops" \(NATS_URL\)/],
    [{ url: inUrl(url, "s3cret") }, /does not let in the token of NATS_URL/],
    [{ url, token: "s3cret" }, /does not let in the token of NATS_TOKEN/],
    [{ url, nkeyFile: seedFile }, new RegExp(`does not let in the nkey in ${seedFile} \\(NATS_NKEY\\)`)],
    [{ url, credsFile }, new RegExp(`does not let in the credentials file ${credsFile} \\(NATS_CREDS\\)`)],
  ];
  for (const [access, message] of wrong) {
    const error = await t.throwsAsync(connectNats({ ...access, name: "test" }));
    t.regex(error.message, message);
    t.regex(error.message, /^Cannot connect to NATS at nats:\/\//);
    t.notRegex(error.message, /s3cret|start it/);
  }
});

test("what cannot be together, or cannot be read, is refused with the setting's name before anybody is asked", async (t) => {
  const url = "nats://127.0.0.1:1";
  const empty = join(folder.path, "empty");
  await writeFile(empty, "nothing\n");
  const lineEnd = join(folder.path, "line_end");
  await writeFile(lineEnd, "\n");
  const refused: readonly (readonly [NatsAccess, RegExp])[] = [
    [{ url, user: "ops", passwordFile: lineEnd }, /NATS_PASSWORD_FILE.*line_end.*a file with a password: it is empty/],
    [
      { url: "nats://a:s3cret@h1,nats://b:s3cret@h2" },
      /NATS_URL: it is "nats:\/\/\*\*\*@h1,nats:\/\/\*\*\*@h2", .*different ones/,
    ],
    [{ url: "nats://a:s3/cret@h1" }, /NATS_URL: it is "nats:\/\/\*\*\*@h1"/],
    [{ url: "nats://a:%zz-s3cret@h1" }, /NATS_URL: .*percent-encoded/],
    [{ url: "http://h1" }, /NATS_URL: .*nats:\/\/host:port/],
    [{ url: "nats://h1,ws://h2" }, /NATS_URL: .*one transport/],
    [{ url: "ws://h1,wss://h2" }, /NATS_URL: .*in the clear/],
    [{ url: "wss://h1", caFile: credsFile }, /NATS_CA: .*NODE_EXTRA_CA_CERTS/],
    [{ url: "nats://a:s3cret@h1", user: "b", password: "s3cret" }, /NATS_USER: it is "b", allowed is what the URL/],
    [{ url, password: "s3cret" }, /NATS_PASSWORD: .*NATS_USER is not set/],
    [{ url, user: "a", password: "s3cret", credsFile }, /NATS_CREDS: .*one way to log in: there is user "a"/],
    [{ url, credsFile: "/nowhere/x.creds" }, /NATS_CREDS: it is "\/nowhere\/x.creds".*ENOENT/],
    [{ url, credsFile: folder.path }, /NATS_CREDS: .*EISDIR/],
    [{ url, credsFile: empty }, /NATS_CREDS: .*JWT and nkey seed/],
    [{ url, nkeyFile: empty }, /NATS_NKEY: .*begins with SU/],
    [
      { url, caFile: "/nowhere/ca.pem", named: { caFile: 'ca of context "prod"' } },
      /^Cannot use ca of context "prod": .*ENOENT/,
    ],
    [{ url, caFile: empty }, /NATS_CA: .*there is none in it/],
    [{ url, certFile: empty }, /NATS_CERT: .*NATS_KEY is not set/],
    [{ url, certFile: empty, keyFile: empty }, /NATS_CERT: .*fits the key/],
    [{ url, inboxPrefix: "a.>" }, /NATS_INBOX_PREFIX/],
  ];
  for (const [access, message] of refused) {
    const error = await t.throwsAsync(connectNats({ ...access, name: "test" }), { instanceOf: NatsAccessError });
    t.regex(error.message, message);
    t.notRegex(`${error.message}${JSON.stringify(error)}${String(error.cause)}`, /s3/, error.message);
  }
});

test("a password file that is empty while it is being written ends nothing at a reconnect", async (t) => {
  await using renewed = await temporary();
  const passwordFile = join(renewed.path, "password");
  await writeFile(passwordFile, `${PASSWORD}\n\n`);
  await using nats = await startTestNats({ config: USER_CONFIG });
  const nc = await connectNats({ url: nats.url, user: "the ops", passwordFile, name: "test" });
  const again = (async () => {
    for await (const { type } of nc.status()) if (type === "reconnect") return;
  })();
  await writeFile(passwordFile, "");
  await nats.kill();
  await nats.start();
  await within(again, () => "a reconnect with the last good password");
  t.false(nc.isClosed());
  await nc.close();
});

test("credentials that were renewed are read at the next reconnect, and a file that has gone by then ends nothing", async (t) => {
  await using renewed = await temporary();
  const [old, next] = [newUserKey(), newUserKey()];
  const file = join(renewed.path, "user.nk");
  const user = ({ publicKey }: { readonly publicKey: string }) =>
    `authorization { users: [ { nkey: ${publicKey} } ] }\n`;
  await writeFile(file, old.seed);
  await using nats = await startTestNats({ config: user(old) });
  const nc = await connectNats({ url: nats.url, nkeyFile: file, name: "test" });
  async function reconnected(): Promise<void> {
    for await (const { type } of nc.status()) if (type === "reconnect") return;
  }
  const first = reconnected();
  await writeFile(file, next.seed);
  await nats.reload(user(next));
  await within(first, () => "a reconnect with the renewed key");
  const second = reconnected();
  await rm(file);
  await nats.kill();
  await nats.start();
  await within(second, () => "a reconnect with the last good key");
  await nc.flush();
  t.false(nc.isClosed());
  await nc.close();
});
