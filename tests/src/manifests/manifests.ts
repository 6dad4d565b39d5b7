import { Ajv2020 } from "ajv/dist/2020.js";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";

const ROOT = join(import.meta.dirname, "..", "..", "..");

/** A schema whose definitions another one names. */
interface NamedSchema {
  readonly $id: string;
}

/** Reads a file of the workspace. */
export async function readText(path: string): Promise<string> {
  return await readFile(join(ROOT, path), "utf8");
}

/** A schema of the folder `schemas`. */
async function readSchema(name: string): Promise<object> {
  return JSON.parse(await readText(`tests/src/manifests/schemas/${name}.json`));
}

/** Returns a function that says what a schema refuses of a value; nothing: it is valid. */
export type Judge = (value: unknown) => readonly string[];

function judgeBy(schema: object, named: readonly NamedSchema[] = []): Judge {
  // Schemas say formats that only their own programs check.
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true, schemas: [...named] });
  const validate = ajv.compile(schema);
  return (value) => {
    if (validate(value)) return [];
    return (validate.errors ?? []).map(
      ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  };
}

/** Judges compose files. */
export async function composeJudge(): Promise<Judge> {
  return judgeBy(await readSchema("compose"));
}

/** Judges Kubernetes' objects of the kinds that we have. A kind without a schema is refused. */
export async function kubernetesJudge(): Promise<(manifest: Manifest) => readonly string[]> {
  const named = [{ $id: "kubernetes", ...(await readSchema("kubernetes")) }];
  const groups: Readonly<Record<string, string>> = {
    Deployment: "apps.v1",
    PodDisruptionBudget: "policy.v1",
    NetworkPolicy: "networking.v1",
    ConfigMap: "core.v1",
    Service: "core.v1",
    ServiceAccount: "core.v1",
  };
  const judges = new Map<string, Judge>([["ScaledObject", judgeBy(await readSchema("keda_scaled_object"))]]);
  for (const [kind, group] of Object.entries(groups))
    judges.set(kind, judgeBy({ $ref: `kubernetes#/definitions/io.k8s.api.${group}.${kind}` }, named));
  return (manifest) => judges.get(manifest.kind)?.(manifest) ?? [`${manifest.kind} has no schema here`];
}

/** What all objects of Kubernetes have. */
export interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly [field: string]: unknown;
}

/** The objects of a YAML file. */
export async function manifestsOf(path: string): Promise<readonly Manifest[]> {
  return parseAllDocuments(await readText(path)).map((document): Manifest => document.toJS());
}

/** A YAML file of one document, with its merge keys. */
export async function readYaml(path: string): Promise<unknown> {
  return parse(await readText(path), { merge: true });
}

/** The names of the settings that the reference lists. */
export async function documentedSettings(): Promise<ReadonlySet<string>> {
  const page = await readText("docs/reference/settings.md");
  return new Set([...page.matchAll(/^\| `([A-Z][A-Z_]+)`/gm)].map(([, name = ""]) => name));
}

/** The users that `infra/nats/users.conf` knows. */
export async function natsUsers(): Promise<ReadonlySet<string>> {
  return new Set(
    [...(await readText("infra/nats/users.conf")).matchAll(/user: "([^"]+)"/g)].map(([, user = ""]) => user),
  );
}

/** Time from the drain's deadline to the exit at the latest, as `libs/service` has it, s. */
export async function closingSeconds(): Promise<number> {
  const [, ms = "NaN"] = /const CLOSING_MS = ([\d_]+);/.exec(await readText("libs/service/src/run_app.ts")) ?? [];
  return Number(ms.replace("_", "")) / 1_000;
}

/** The version of the workspace, which is the tag of the image. */
export async function workspaceVersion(): Promise<string> {
  const { version } = JSON.parse(await readText("package.json"));
  return String(version);
}
