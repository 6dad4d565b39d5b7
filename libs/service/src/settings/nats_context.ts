// Tested by libs/service/src/settings/nats_settings_test.ts
// Tested by tests/src/access/app_test.ts
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import * as z from "zod";

/** A context of the `nats` command cannot be used. The text says what is allowed, and what was found. */
export class ContextError extends Error {
  override readonly name = "ContextError";
}

/** The fields of a context of the `nats` command that say how to reach NATS. Empty ones are undefined. */
const Fields = z.object({
  url: z.string().optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  token: z.string().optional(),
  nkey: z.string().optional(),
  creds: z.string().optional(),
  user_jwt: z.string().optional(),
  user_seed: z.string().optional(),
  ca: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  tls_first: z.boolean().optional(),
  inbox_prefix: z.string().optional(),
});

/** A context as it was read. */
export interface NatsContext extends z.infer<typeof Fields> {
  /** Its name or its path, as the operator gave it. */
  readonly called: string;
}

/** Fields without effect here: names, looks, and where JetStream's advisories are listened for. */
const HARMLESS: ReadonlySet<string> = new Set(["name", "description", "color_scheme", "jetstream_event_prefix"]);
/** What to do instead, for each field that cannot be followed. */
const INSTEAD: Readonly<Record<string, string>> = {
  nsc: "write the credentials to a file with `nsc generate creds`, and name it in creds",
  socks_proxy: "connect without a proxy",
  jetstream_domain: "connect to a server of that domain",
  jetstream_api_prefix: "connect with a user of the account that has JetStream",
};

function isEmpty(value: unknown): boolean {
  return (
    value === "" || value === null || value === false || value === 0 || (Array.isArray(value) && value.length === 0)
  );
}

/** The user's home folder. A container's user may have none: throws {@linkcode ContextError}. */
export function homeOf({ HOME }: NodeJS.Dict<string>): string {
  if (HOME) return HOME;
  try {
    return homedir();
  } catch {
    throw new ContextError(
      "the path of a context (.json) without ~ in it: this user has no home folder, and HOME is not set",
    );
  }
}

function folderOf(environment: NodeJS.Dict<string>): string {
  return join(environment["XDG_CONFIG_HOME"] || join(homeOf(environment), ".config"), "nats");
}

/** The name that stands for the context that `nats context select` has chosen. */
const SELECTED = ".";

function fileOf(called: string, environment: NodeJS.Dict<string>): string {
  if (isAbsolute(called) || called.endsWith(".json")) return called;
  const folder = folderOf(environment);
  const name = called === SELECTED ? readText(join(folder, "context.txt"), "a selected context").trim() : called;
  if (name === "" || name.includes("/") || name.includes("..")) {
    throw new ContextError("the name of a context, the path of one (.json), or . for the one that is selected");
  }
  return join(folder, "context", `${name}.json`);
}

function readText(file: string, what: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "it cannot be read";
    throw new ContextError(`${what} that can be read: ${file} (${code})`);
  }
}

function parse(text: string, file: string): Record<string, unknown> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The error quotes the text that is no JSON, and that may hold a password.
    throw new ContextError(`a context: ${file} holds no JSON`);
  }
  const record = z.record(z.string(), z.unknown()).safeParse(json);
  if (!record.success) throw new ContextError(`a context: ${file} holds no JSON object`);
  return Object.fromEntries(Object.entries(record.data).filter(([, value]) => !isEmpty(value)));
}

/**
 * Reads a context of the `nats` command by its name, by its path, or by `.` for the selected one.
 *
 * Throws {@linkcode ContextError}, also for a field that cannot be followed: no field is ignored in silence.
 */
export function readContext(called: string, environment: NodeJS.Dict<string>): NatsContext {
  const file = fileOf(called, environment);
  const given = parse(readText(file, "a context"), file);
  for (const field of Object.keys(given)) {
    if (field in Fields.shape || HARMLESS.has(field)) continue;
    const instead = INSTEAD[field];
    throw new ContextError(
      `a context without ${field}, which Muster cannot follow${instead === undefined ? "" : `: ${instead}`}`,
    );
  }
  const fields = Fields.safeParse(given);
  if (fields.success) return { ...fields.data, called };
  const names = fields.error.issues.map(({ path }) => path.join(".")).join(" and ");
  throw new ContextError(`a context whose fields are of the right kind: ${names} in ${file} is not`);
}
