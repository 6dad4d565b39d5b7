import test from "ava";
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod";
import { APPS } from "../image/try_apps.ts";
import { promtool } from "../support/metrics.ts";
import {
  closingSeconds,
  composeJudge,
  documentedSettings,
  natsUsers,
  readText,
  readYaml,
  workspaceVersion,
} from "./manifests.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "..", "infra", "compose");
const FILE = "infra/compose/compose.yaml";

const Service = z.looseObject({
  image: z.string(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  secrets: z.array(z.union([z.string(), z.object({ source: z.string(), target: z.string() })])).default([]),
  volumes: z.array(z.string()).default([]),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  healthcheck: z.looseObject({ disable: z.boolean().optional() }).optional(),
  stop_grace_period: z.string().optional(),
  user: z.string().optional(),
  read_only: z.boolean().optional(),
  cap_drop: z.array(z.string()).optional(),
});

const file = await readYaml(FILE);
const { services, secrets } = z
  .looseObject({
    services: z.record(z.string(), Service),
    secrets: z.record(z.string(), z.object({ file: z.string() })),
  })
  .parse(file);
const image = `muster:${await workspaceVersion()}`;
const ours = Object.entries(services).filter(([, service]) => service.image === image);
const apps = ours.filter(([name]) => APPS.includes(name));

test("the compose file is valid by the Compose Specification, which refuses a field that there is not", async (t) => {
  const judge = await composeJudge();
  t.deepEqual(judge(file), []);
  t.deepEqual(judge({ services: { a: { image: "a", comand: [] } } }), [
    '/services/a must NOT have additional properties {"additionalProperty":"comand"}',
  ]);
});

test("it starts three NATS servers, PostgreSQL and each app but the generic worker, by the image that its Dockerfile makes", (t) => {
  t.is(Object.values(services).filter(({ image: its }) => its.startsWith("nats:")).length, 3);
  t.is(Object.values(services).filter(({ image: its }) => its.startsWith("postgres:")).length, 1);
  t.deepEqual(apps.map(([name]) => name).sort(), APPS.filter((name) => name !== "worker").sort());
  for (const [name, { command }] of apps) t.deepEqual(command, [name]);
  t.true(ours.length === apps.length + 2, "migrate and operator are of the image too");
});

test("its settings are settings, and each app is a user of NATS with its own password and inbox", async (t) => {
  const known = await documentedSettings();
  const users = await natsUsers();
  for (const [name, { environment, secrets: mounted }] of ours) {
    for (const variable of Object.keys(environment)) t.true(known.has(variable), `${name}: ${variable}`);
    const user = environment.NATS_USER;
    if (user === undefined) continue;
    t.is(user, name);
    t.true(users.has(user), user);
    t.is(environment.NATS_INBOX_PREFIX, `_INBOX_${user}`);
    t.deepEqual(mounted, ["nats_ca", { source: user, target: "nats_password" }]);
    t.is(secrets[user]?.file, `./secrets/clients/${user}.password`);
    t.is(environment.NATS_PASSWORD_FILE, "/run/secrets/nats_password");
  }
});

test("no password stands in it, and one that is not given stops it with a word on what to set", async (t) => {
  const text = await readText(FILE);
  for (const [variable = ""] of text.matchAll(/\$\{[^}]*\}/g))
    t.regex(variable, /^\$\{[A-Z_]+:\?Set [A-Z_]+, |^\$\{MUSTER_UID:\?/);
  for (const [, value = ""] of text.matchAll(/^ +\w*(?:PASSWORD|TOKEN): *"?([^"\n]*)/gm)) t.regex(value, /^\$\{/);
});

test("an app may not write, is nobody of rights, and is left longer than its drain takes", async (t) => {
  const closing = await closingSeconds();
  for (const [name, { read_only: readOnly, cap_drop: dropped, user, stop_grace_period: grace, environment }] of apps) {
    t.true(readOnly, name);
    t.deepEqual(dropped, ["ALL"], name);
    t.regex(user ?? "", /MUSTER_UID/, name);
    t.true(Number.parseInt(grace ?? "0", 10) > Number(environment.MUSTER_DRAIN_SECONDS) + closing, name);
  }
});

test("whoever waits until another is healthy waits for one that has a health check", (t) => {
  for (const [name, { depends_on: others }] of Object.entries(services)) {
    for (const [other, { condition }] of Object.entries(others)) {
      const awaited = services[other];
      if (condition === "service_healthy") t.truthy(awaited?.healthcheck, `${name} waits for ${other}`);
      else t.is(awaited?.command.at(-1), "migrate");
    }
  }
  for (const [name] of apps)
    t.is(services[name]?.depends_on.migrate?.condition, "service_completed_successfully", name);
});

test("each file that it mounts is there, but for the secrets, which git ignores", async (t) => {
  const ignored = (await readText(".gitignore")).split("\n");
  t.true(ignored.includes("infra/compose/secrets/") && ignored.includes("infra/compose/.env"));
  for (const { volumes } of Object.values(services)) {
    for (const source of volumes.map((volume) => volume.split(":")[0] ?? "").filter((path) => path.startsWith(".")))
      t.true(source.startsWith("./secrets/") || existsSync(join(FOLDER, source)), source);
  }
  for (const { file: path } of Object.values(secrets)) t.true(path.startsWith("./secrets/clients/"), path);
});

test("Prometheus scrapes each app of the file, by the port of the image", async (t) => {
  const text = await readText("infra/compose/prometheus.yml");
  const [, names = ""] = /names: \[(.*)\]/.exec(text) ?? [];
  t.deepEqual(names.split(", ").sort(), apps.map(([name]) => name).sort());
  t.regex(text, /port: 8080/);
  const told = await promtool(["check", "config", "--syntax-only", join(FOLDER, "prometheus.yml")]);
  t.is(told?.code ?? 0, 0, told?.said);
});
