import test from "ava";
import { availableParallelism } from "node:os";
import { InvalidSettingsError, readSettings } from "./read_settings.ts";

test("an empty environment gives the defaults that the settings' comments promise", (t) => {
  t.deepEqual(readSettings({}), {
    natsUrl: undefined,
    nats: {},
    databaseUrl: undefined,
    ...{ dashboardPort: 7_450, dashboardHost: "127.0.0.1", dashboardNames: [], token: undefined },
    dataDir: undefined,
    logLevel: "info",
    httpPort: 0,
    extensions: undefined,
    tasks: ["all"],
    httpHost: "127.0.0.1",
    permits: 10,
    threads: availableParallelism(),
    replicas: undefined,
    historyMs: 30 * 86_400_000,
    drainMs: 20_000,
    databaseConnections: 10,
  });
});

test("each setting is read from its variable", (t) => {
  t.like(
    readSettings({
      NATS_URL: "nats://one:4222,two:4222",
      NATS_CREDS: "/etc/muster.creds",
      DATABASE_URL: "postgresql://muster:s3cret@db/muster",
      LOG_LEVEL: "debug",
      HTTP_PORT: "8080",
      HTTP_HOST: "::",
      MUSTER_PERMITS: "1000",
      MUSTER_THREADS: "0",
      MUSTER_DRAIN_SECONDS: "0",
      MUSTER_HISTORY_DAYS: "0",
      MUSTER_DASHBOARD_PORT: "0",
      MUSTER_DASHBOARD_HOST: "::",
      MUSTER_DASHBOARD_NAMES: "Muster.example.org",
      MUSTER_TOKEN: "0123456789abcdef",
      MUSTER_DATABASE_CONNECTIONS: "1",
      MUSTER_EXTENSIONS: "@muster/pilot-tasks, ./site/mod.ts,@muster/pilot-tasks",
      MUSTER_TASKS: "size:small,MyPilotTask",
    }),
    {
      natsUrl: "nats://one:4222,two:4222",
      nats: { credsFile: "/etc/muster.creds" },
      logLevel: "debug",
      historyMs: Number.POSITIVE_INFINITY,
      httpPort: 8080,
      httpHost: "::",
      permits: 1000,
      threads: 0,
      drainMs: 0,
      ...{ dashboardPort: 0, dashboardHost: "::", dashboardNames: ["muster.example.org"], token: "0123456789abcdef" },
      databaseConnections: 1,
      extensions: ["@muster/pilot-tasks", "./site/mod.ts"],
      tasks: ["size:small", "MyPilotTask"],
    },
  );
});

test("a variable that is set to nothing counts as unset", (t) => {
  t.like(readSettings({ HTTP_PORT: "", LOG_LEVEL: " ", NATS_URL: "" }), {
    httpPort: 0,
    logLevel: "info",
    natsUrl: undefined,
  });
});

test("every bad setting is named with its value and what is allowed", (t) => {
  const error = t.throws(() => readSettings({ HTTP_PORT: "80x", LOG_LEVEL: "loud", MUSTER_PERMITS: "0" }), {
    instanceOf: InvalidSettingsError,
  });
  t.deepEqual(error?.problems, [
    { setting: "LOG_LEVEL", value: "loud", allowed: "trace, debug, info, warn, error, fatal, silent" },
    { setting: "HTTP_PORT", value: "80x", allowed: "a whole number from 0 to 65535 (0: any free port)" },
    { setting: "MUSTER_PERMITS", value: "0", allowed: "a whole number from 1 to 1000 permits" },
  ]);
  t.regex(error?.message ?? "", /^Cannot use the settings: LOG_LEVEL is "loud", allowed is trace,/);
});

for (const port of ["-1", "65536", "1e3", "8080.5", "0x50", " 80"]) {
  test(`HTTP_PORT refuses ${JSON.stringify(port)}`, (t) => {
    t.throws(() => readSettings({ HTTP_PORT: port }), { instanceOf: InvalidSettingsError, message: /HTTP_PORT/ });
  });
}

test("a list of extensions or tasks with an empty word, or with one that cannot be, is refused", (t) => {
  for (const [name, value] of Object.entries({ MUSTER_EXTENSIONS: "a,,b", MUSTER_TASKS: "size:huge" })) {
    t.throws(() => readSettings({ [name]: value }), { instanceOf: InvalidSettingsError, message: new RegExp(name) });
  }
});

test("a refused setting shows no secret: no token, and no password with characters that should have been encoded", (t) => {
  for (const [setting, value] of [
    ["MUSTER_TOKEN", "s3cret"],
    ["MUSTER_TOKEN", "a s3cret of several words"],
    ["DATABASE_URL", "postgres://muster:s3cret#1@db/muster"],
    ["DATABASE_URL", "postgres://muster:s3cret%zz@db/muster"],
    ["DATABASE_URL", "host=db user=muster password=s3cret"],
    ["DATABASE_URL", "postgres:muster:s3cret@db/muster"],
    ["NATS_URL", "nats://muster:s3cret#1@one:4222"],
    ["NATS_URL", "nats://muster:s3cret?@one:4222"],
  ] as const) {
    const error = t.throws(() => readSettings({ [setting]: value }), { instanceOf: InvalidSettingsError });
    t.regex(error?.message ?? "", new RegExp(setting));
    t.notRegex(error?.message ?? "", /s3cret/, value);
  }
});

test("a refused URL is named without its password", (t) => {
  const error = t.throws(() =>
    readSettings({ DATABASE_URL: "mysql://muster:s3cret@db/muster", NATS_URL: "http://t0ken@b:1" }),
  );
  t.regex(error?.message ?? "", /DATABASE_URL is "mysql:\/\/muster:\*\*\*@db\/muster", allowed is postgres:/);
  t.notRegex(error?.message ?? "", /s3cret|t0ken/);
});
