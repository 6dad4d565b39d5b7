import test from "ava";
import { execFile } from "node:child_process";
import { glob, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import * as z from "zod";
import { environmentOf, lastStep, readDockerfile } from "../image/dockerfile.ts";
import { APPS } from "../image/try_apps.ts";
import { documentedMetrics, metricOf, promtool } from "../support/metrics.ts";
import {
  closingSeconds,
  documentedSettings,
  kubernetesJudge,
  type Manifest,
  manifestsOf,
  natsUsers,
  readText,
  workspaceVersion,
} from "./manifests.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const FOLDER = join(ROOT, "infra", "kubernetes");

const Probe = z.object({ httpGet: z.object({ path: z.string(), port: z.string() }) });
const Container = z.looseObject({
  name: z.string(),
  image: z.string(),
  args: z.array(z.string()),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().optional() })).default([]),
  ports: z.array(z.object({ name: z.string(), containerPort: z.number() })).default([]),
  startupProbe: Probe.optional(),
  livenessProbe: Probe.optional(),
  readinessProbe: Probe.optional(),
  resources: z.object({
    requests: z.object({ cpu: z.string(), memory: z.string() }),
    limits: z.object({ memory: z.string() }),
  }),
  securityContext: z.unknown(),
});
const Deployment = z.looseObject({
  kind: z.literal("Deployment"),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    selector: z.object({ matchLabels: z.record(z.string(), z.string()) }),
    template: z.looseObject({
      metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
      spec: z.looseObject({
        terminationGracePeriodSeconds: z.number(),
        securityContext: z.unknown(),
        initContainers: z.array(Container).default([]),
        containers: z.tuple([Container]),
        volumes: z.unknown(),
      }),
    }),
  }),
});
const ScaledObject = z.looseObject({
  spec: z.looseObject({
    scaleTargetRef: z.object({ name: z.string() }),
    triggers: z.tuple([z.looseObject({ metadata: z.looseObject({ query: z.string() }) })]),
  }),
});

const files: string[] = [];
for await (const file of glob("**/*.yaml", { cwd: FOLDER })) files.push(file);
const kustomizations = files.filter((file) => file.endsWith("kustomization.yaml"));
const objects: Manifest[] = [];
for (const file of files.filter((each) => !kustomizations.includes(each)))
  objects.push(...(await manifestsOf(`infra/kubernetes/${file}`)));
const ofKind = (kind: string) => objects.filter((object) => object.kind === kind);
const deployments = ofKind("Deployment").map((object) => Deployment.parse(object));
const settings = z
  .looseObject({ data: z.record(z.string(), z.string()) })
  .parse(ofKind("ConfigMap").find(({ metadata }) => metadata.name === "muster-settings")).data;
const image = readDockerfile(await readText("infra/image/Dockerfile")).at(-1) ?? {
  base: "",
  name: undefined,
  line: 0,
  steps: [],
};

test("each object is valid by the schemas of Kubernetes and KEDA, which refuse a field that there is not", async (t) => {
  const judge = await kubernetesJudge();
  for (const object of objects) t.deepEqual(judge(object), [], `${object.kind} ${object.metadata.name}`);
  const [first] = ofKind("Deployment");
  t.deepEqual(judge({ ...(first ?? { kind: "", metadata: { name: "" } }), spek: {} }), [
    ' must NOT have additional properties {"additionalProperty":"spek"}',
  ]);
  t.deepEqual(judge({ kind: "Job", metadata: { name: "a" } }), ["Job has no schema here"]);
});

test("each file is part of a base or a component, and those carry the tag of this version", async (t) => {
  const named: string[] = [];
  for (const file of kustomizations) {
    const { resources, images } = z
      .looseObject({
        resources: z.array(z.string()),
        images: z.array(z.object({ name: z.string(), newTag: z.string() })).optional(),
      })
      .parse(parse(await readFile(join(FOLDER, file), "utf8")));
    named.push(...resources.map((resource) => join(file, "..", resource)));
    for (const each of images ?? []) t.deepEqual(each, { name: "muster", newTag: await workspaceVersion() });
  }
  t.deepEqual(named.sort(), files.filter((file) => !kustomizations.includes(file)).sort());
});

test("each app has a Deployment and a disruption budget that select its own pods", (t) => {
  t.deepEqual(deployments.map(({ metadata }) => metadata.name).sort(), [...APPS].sort());
  for (const { metadata, spec } of deployments) {
    t.deepEqual(spec.selector.matchLabels, { "app.kubernetes.io/name": metadata.name });
    t.is(spec.template.metadata.labels["app.kubernetes.io/name"], metadata.name);
    t.deepEqual(spec.template.spec.containers[0].args, [metadata.name]);
    const budget = ofKind("PodDisruptionBudget").find((each) => each.metadata.name === metadata.name);
    t.like(budget, {
      spec: { maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow", selector: spec.selector },
    });
  }
});

test("no container may become root, write into its root or keep a capability, and each runs as the image's user", (t) => {
  const [uid = 0, gid = 0] = (lastStep(image, "USER")?.text ?? "").split(":").map(Number);
  const confined = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } };
  for (const { metadata, spec } of deployments) {
    const { securityContext, containers, initContainers, ...pod } = spec.template.spec;
    t.like(securityContext, {
      runAsNonRoot: true,
      runAsUser: uid,
      runAsGroup: gid,
      seccompProfile: { type: "RuntimeDefault" },
    });
    t.is(pod.automountServiceAccountToken, false, metadata.name);
    for (const container of [...containers, ...initContainers]) {
      t.deepEqual(container.securityContext, confined, metadata.name);
      t.is(container.image, "muster");
    }
  }
});

test("the variables of the manifests are settings, and each app is its own user of NATS", async (t) => {
  const known = await documentedSettings();
  const users = await natsUsers();
  for (const variable of Object.keys(settings)) t.true(known.has(variable), variable);
  for (const { metadata, spec } of deployments) {
    const { containers, initContainers, volumes } = spec.template.spec;
    for (const { name } of [...containers, ...initContainers].flatMap(({ env }) => env)) t.true(known.has(name), name);
    const env = Object.fromEntries(containers[0].env.map(({ name, value }) => [name, value]));
    t.is(env.NATS_USER, metadata.name);
    t.is(env.NATS_INBOX_PREFIX, `_INBOX_${metadata.name}`);
    t.regex(JSON.stringify(volumes), new RegExp(`"key":"${metadata.name}\\.password","path":"password"`));
    // The users of infra/nats/users.conf are those of the base; the generic worker's are made for its extensions.
    if (metadata.name !== "worker") t.true(users.has(metadata.name), metadata.name);
  }
});

test("probes ask paths that the apps serve, at ports of the image", async (t) => {
  const served = await readText("libs/service/src/health/thread.ts");
  const env = environmentOf(image);
  for (const { metadata, spec } of deployments) {
    const [{ ports, startupProbe, livenessProbe, readinessProbe }] = spec.template.spec.containers;
    const paths = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet.path);
    t.deepEqual(paths, ["/healthz", "/healthz", "/readyz"], metadata.name);
    for (const path of paths) t.true(served.includes(`"${path}"`), path);
    for (const probe of [startupProbe, livenessProbe, readinessProbe]) t.is(probe?.httpGet.port, "health");
    t.is(ports.find(({ name }) => name === "health")?.containerPort, Number(env.HTTP_PORT));
    const http = ports.find(({ name }) => name === "http")?.containerPort;
    t.is(http, metadata.name === "dashboard" ? Number(env.MUSTER_DASHBOARD_PORT) : undefined);
  }
});

test("a pod is left longer than the drain of its app and its closing take", async (t) => {
  const needed = Number(settings.MUSTER_DRAIN_SECONDS) + (await closingSeconds());
  for (const { metadata, spec } of deployments)
    t.true(spec.template.spec.terminationGracePeriodSeconds >= needed + 5, metadata.name);
});

/** What KEDA asks Prometheus, by the worker that is scaled. */
const queries = new Map(
  ofKind("ScaledObject").map((object) => {
    const { scaleTargetRef, triggers } = ScaledObject.parse(object).spec;
    return [scaleTargetRef.name, triggers[0].metadata.query];
  }),
);

test("each worker of a part of the tasks is scaled by exactly those, and by figures that there are", async (t) => {
  const known = await documentedMetrics();
  t.deepEqual([...queries.keys()].sort(), ["check-worker", "report-worker", "submit-worker"]);
  for (const [worker, query] of queries) {
    const main = await readText(`apps/${worker}/src/main.ts`);
    const [, tasks = ""] = /tasks: \[([^\]]*)\]/.exec(main) ?? [];
    t.is(/task=~"([^"]*)"/.exec(query)?.[1], tasks.split(", ").join("|"), worker);
    for (const [series] of query.matchAll(/\bmuster_\w+/g)) t.true(known.has(metricOf(series, known)), series);
  }
});

test("promtool, where it is, finds that a query counts what waits once, is zero at rest, and nothing without a scheduler", async (t) => {
  const series = (worker: string, tasks: readonly string[], waiting: boolean) => [
    { series: 'muster_scheduler_leads{instance="a"}', values: "1x5" },
    { series: 'muster_scheduler_leads{instance="b"}', values: "0x5" },
    ...(waiting
      ? tasks.flatMap((task) =>
          ["a", "b"].map((instance) => ({
            series: `muster_queue_waiting_tasks{task="${task}",vo="lhcb",instance="${instance}"}`,
            values: "7x5",
          })),
        )
      : [{ series: `muster_queue_waiting_tasks{task="Other",vo="${worker}",instance="a"}`, values: "9x5" }]),
  ];
  const tests = [...queries].flatMap(([worker, expr]) => {
    const tasks = (/task=~"([^"]*)"/.exec(expr)?.[1] ?? "").split("|");
    const asks = (value: number | undefined) => [
      { expr, eval_time: "2m", exp_samples: value === undefined ? [] : [{ labels: "{}", value }] },
    ];
    return [
      { interval: "1m", input_series: series(worker, tasks, true), promql_expr_test: asks(7 * tasks.length) },
      { interval: "1m", input_series: series(worker, tasks, false), promql_expr_test: asks(0) },
      { interval: "1m", input_series: [], promql_expr_test: asks(undefined) },
    ];
  });
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-keda-"));
  const file = join(folder.path, "keda_test.yml");
  await writeFile(file, JSON.stringify({ rule_files: [], evaluation_interval: "1m", tests }));
  const told = await promtool(["test", "rules", file]);
  if (told === undefined) t.log("there is no promtool here; Debian has it in the package prometheus");
  t.is(told?.code ?? 0, 0, told?.said);
});

test("kubectl, where it is, builds base and components into one, without replicas where KEDA sets them", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-kustomize-"));
  const from = (path: string) => relative(folder.path, join(FOLDER, path));
  const overlay = {
    resources: [from("base")],
    components: [from("components/keda"), from("components/generic-worker")],
  };
  await writeFile(join(folder.path, "kustomization.yaml"), JSON.stringify(overlay));
  let built: string;
  try {
    built = (await promisify(execFile)("kubectl", ["kustomize", folder.path])).stdout;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    t.log("there is no kubectl here");
    return t.pass();
  }
  const judge = await kubernetesJudge();
  const all = built.split(/^---$/m).map((text): Manifest => parse(text));
  for (const object of all) t.deepEqual(judge(object), [], `${object.kind} ${object.metadata.name}`);
  t.is(all.length, objects.length);
  for (const { metadata, spec } of all
    .filter(({ kind }) => kind === "Deployment")
    .map((each) => Deployment.parse(each))) {
    t.is(spec.replicas === undefined, queries.has(metadata.name), metadata.name);
    t.is(spec.template.spec.containers[0].image, `muster:${await workspaceVersion()}`);
  }
});
