import test from "ava";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidSettingsError, readSettings } from "./read_settings.ts";

/** A home with one context, `prod`, which is selected. */
async function homeWith(context: object | string) {
  const folder = await mkdtempDisposable(join(tmpdir(), "muster-context-"));
  await mkdir(join(folder.path, "nats", "context"), { recursive: true });
  const file = join(folder.path, "nats", "context", "prod.json");
  await writeFile(file, typeof context === "string" ? context : JSON.stringify(context));
  await writeFile(join(folder.path, "nats", "context.txt"), "prod\n");
  return { ...folder, file, env: { XDG_CONFIG_HOME: folder.path, NATS_CONTEXT: "prod" } };
}

const named = (field: string) => `${field} of context "prod"`;

test("each setting of NATS is read from its variable, and a user without a password is a token", (t) => {
  t.deepEqual(
    readSettings({
      ...{ NATS_USER: "ops", NATS_PASSWORD: "s3cret", NATS_CA: "/etc/ca.pem", NATS_CERT: "file:///etc/c.pem" },
      ...{ NATS_KEY: "/etc/k.pem", NATS_TLS_FIRST: "true", NATS_INBOX_PREFIX: "_INBOX_ops", NATS_NKEY: "/etc/u.nk" },
    }).nats,
    {
      ...{ user: "ops", password: "s3cret", caFile: "/etc/ca.pem", certFile: "/etc/c.pem", keyFile: "/etc/k.pem" },
      ...{ tlsFirst: true, inboxPrefix: "_INBOX_ops", nkeyFile: "/etc/u.nk" },
    },
  );
  t.like(readSettings({ NATS_USER: "t0ken" }).nats, { token: "t0ken" });
  const file = { user: "ops", passwordFile: "/run/secrets/ops", token: undefined };
  t.like(readSettings({ NATS_USER: "ops", NATS_PASSWORD_FILE: "/run/secrets/ops" }).nats, file);
  t.like(readSettings({ NATS_TOKEN: "t0ken" }).nats, { token: "t0ken", user: undefined });
  t.regex(readSettings({ NATS_JWT: "a.b.c", NATS_SEED: "SUAX" }).nats.creds ?? "", /a\.b\.c[\s\S]*SUAX/);
});

test("a context of the nats command gives what it has, by its name, by its path and as the selected one", async (t) => {
  await using home = await homeWith({
    ...{ description: "production", url: "tls://n1:4222,tls://n2:4222", user: "ops", password: "env://OPS", token: "" },
    ...{
      ca: "~/ca.pem",
      cert: "$CERTS/c.pem",
      key: ["$", "{CERTS}/k.pem"].join(""),
      tls_first: true,
      inbox_prefix: "_INBOX_ops",
    },
    ...{ color_scheme: "", socks_proxy: "", windows_ca_certs_match: null },
  });
  const env = { ...home.env, OPS: "s3cret", HOME: "/home/ops", CERTS: "/certs" };
  for (const NATS_CONTEXT of ["prod", home.file, "."]) {
    const { natsUrl, nats } = readSettings({ ...env, NATS_CONTEXT });
    t.is(natsUrl, "tls://n1:4222,tls://n2:4222");
    t.like(nats, {
      ...{
        user: "ops",
        password: "s3cret",
        caFile: "/home/ops/ca.pem",
        certFile: "/certs/c.pem",
        keyFile: "/certs/k.pem",
      },
      ...{ tlsFirst: true, inboxPrefix: "_INBOX_ops" },
    });
    t.is(nats.named?.["caFile"], `ca of context ${JSON.stringify(NATS_CONTEXT)}`);
  }
});

test("credentials of every kind are taken from a context, also those that lie in it", async (t) => {
  const inline = `data:;base64,${Buffer.from("the credentials").toString("base64")}`;
  for (const [context, found] of [
    [{ creds: "/etc/ops.creds" }, { credsFile: "/etc/ops.creds" }],
    [{ creds: "file:///etc/ops.creds" }, { credsFile: "/etc/ops.creds" }],
    [{ creds: inline }, { creds: "the credentials" }],
    [{ nkey: "/etc/ops.nk" }, { nkeyFile: "/etc/ops.nk" }],
    [{ nkey: "env://SEED" }, { nkeySeed: "SUAX" }],
    [{ user: "ops" }, { user: "ops" }],
    [{ token: "t0ken" }, { token: "t0ken" }],
    [{ user_jwt: "a.b.c" }, { jwt: "a.b.c" }],
  ] as const) {
    await using home = await homeWith(context);
    const { natsUrl, nats } = readSettings({ ...home.env, SEED: "SUAX" });
    const { named: _names, ...rest } = nats;
    t.deepEqual(rest, found);
    t.is(natsUrl, "nats://127.0.0.1:4222", "as for the nats command");
  }
});

test("settings win over the context: a way to log in replaces the context's, and the rest stays", async (t) => {
  await using home = await homeWith({
    url: "nats://a:b@n1",
    creds: "/etc/ops.creds",
    ca: "/etc/ca.pem",
    cert: "/c",
    key: "/k",
  });
  const { env } = home;
  t.like(readSettings(env).nats, { credsFile: "/etc/ops.creds", caFile: "/etc/ca.pem" });
  const byUser = readSettings({ ...env, NATS_USER: "me", NATS_PASSWORD: "s3cret", NATS_CERT: "/c2", NATS_KEY: "/k2" });
  t.is(byUser.natsUrl, "nats://n1");
  t.like(byUser.nats, { user: "me", password: "s3cret", credsFile: undefined, caFile: "/etc/ca.pem", certFile: "/c2" });
  const byUrl = readSettings({ ...env, NATS_URL: "nats://c:d@n2" });
  t.is(byUrl.natsUrl, "nats://c:d@n2");
  t.like(byUrl.nats, { credsFile: undefined, caFile: "/etc/ca.pem" });
  t.is(byUrl.nats.named?.["url"], undefined);
  t.is(byUrl.nats.named?.["caFile"], named("ca"));
});

test("a password from the environment completes the user of a context", async (t) => {
  await using home = await homeWith({ user: "ops" });
  t.like(readSettings({ ...home.env, NATS_PASSWORD: "s3cret" }).nats, { user: "ops", password: "s3cret" });
});

test("what a context says and nobody could follow is refused with the field's name and without secrets", async (t) => {
  for (const [context, message] of [
    [{ socks_proxy: "socks5://ops:s3cret@p:1" }, /NATS_CONTEXT is "prod", allowed is a context without socks_proxy/],
    [{ nsc: "nsc://op/acc/user" }, /without nsc,.*nsc generate creds/],
    [{ jetstream_domain: "hub" }, /without jetstream_domain/],
    [{ jetstream_api_prefix: "JS.hub" }, /without jetstream_api_prefix/],
    [{ windows_cert_store: "machine" }, /without windows_cert_store/],
    [{ something_new: 1 }, /without something_new/],
    [{ password: "op://vault/s3cret" }, /op:/],
    [{ creds: "nsc://op/acc/user" }, /creds is a path, file:\/\/, env:\/\/ or data:, and not nsc:/],
    [{ token: "env://NOT_THERE" }, /NOT_THERE is not set/],
    [{ url: 7 }, /of the right kind: url/],
    ['{ "password": "s3cret", }', /holds no JSON/],
    ["[]", /no JSON object/],
  ] as const) {
    await using home = await homeWith(context);
    const error = t.throws(() => readSettings(home.env), { instanceOf: InvalidSettingsError });
    t.regex(error?.message ?? "", message);
    t.notRegex(error?.message ?? "", /s3cret/);
  }
});

test("a context that is not there is refused with the path that was looked at", async (t) => {
  await using home = await homeWith({});
  for (const NATS_CONTEXT of ["test", "../prod", join(home.path, "gone.json")]) {
    const error = t.throws(() => readSettings({ ...home.env, NATS_CONTEXT }), { instanceOf: InvalidSettingsError });
    t.regex(error?.message ?? "", /test\.json \(ENOENT\)|the name of a context|gone\.json \(ENOENT\)/);
  }
});

test("a reference in a setting that nobody can follow is named by the setting, and shows no secret", (t) => {
  for (const [env, message] of [
    [{ NATS_CREDS: "op://vault/s3cret" }, /NATS_CREDS is "\*\*\*", allowed is a path/],
    [{ NATS_NKEY: "env://NOT_THERE" }, /NATS_NKEY .*NOT_THERE is not set/],
    [{ NATS_CA: "data:;base64,czNjcmV0" }, /NATS_CA .*a path or file/],
    [{ NATS_SEED: "s3cret" }, /NATS_SEED .*NATS_JWT/],
    [{ NATS_TLS_FIRST: "maybe" }, /NATS_TLS_FIRST is "maybe", allowed is true or false/],
    [{ NATS_URL: "nats://a:s3/cret@h" }, /NATS_URL/],
  ] as const) {
    const error = t.throws(() => readSettings(env), { instanceOf: InvalidSettingsError });
    t.regex(error?.message ?? "", message);
    t.notRegex(error?.message ?? "", /s3/);
  }
});
