import { resolve } from "node:path";
import { ContextError, readContext } from "./nats_context.ts";
import { readReference, readSecret, SecretReferenceError } from "./nats_reference.ts";
import { merge, type Said, saidByContext, saidBySettings } from "./nats_said.ts";
import type { NatsVariables } from "./nats_variables.ts";
import type { SettingProblem } from "./setting_problem.ts";

/** How to reach NATS, as `@muster/tasks` takes it beside a URL. */
export interface NatsSettings {
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly passwordFile?: string | undefined;
  readonly token?: string | undefined;
  readonly nkeyFile?: string | undefined;
  readonly nkeySeed?: string | undefined;
  readonly credsFile?: string | undefined;
  readonly creds?: string | undefined;
  readonly jwt?: string | undefined;
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly tlsFirst?: boolean | undefined;
  readonly inboxPrefix?: string | undefined;
  /** An operator's name for each field that comes from a context. */
  readonly named?: Readonly<Record<string, string>> | undefined;
}

/** What the environment says of how to reach NATS. */
export interface NatsSaid {
  /** Undefined: neither a setting nor a context names it. */
  readonly url: string | undefined;
  readonly nats: NatsSettings;
}

/** The server of a context that names none, as for the nats command. */
const DEFAULT_URL = "nats://127.0.0.1:4222";

/** The names of each value: as a setting, in a context, and as fields of {@linkcode NatsSettings}. */
const CALLED: readonly (readonly [said: keyof Said, setting: string, field: string, as: readonly string[]])[] = [
  ["url", "NATS_URL", "url", ["url"]],
  ["user", "NATS_USER", "user", ["user"]],
  ["password", "NATS_PASSWORD", "password", ["password"]],
  ["passwordFile", "NATS_PASSWORD_FILE", "", ["passwordFile"]],
  ["token", "NATS_TOKEN", "token", ["token"]],
  ["nkey", "NATS_NKEY", "nkey", ["nkeyFile", "nkeySeed"]],
  ["creds", "NATS_CREDS", "creds", ["credsFile", "creds"]],
  ["jwt", "NATS_JWT", "user_jwt", ["jwt"]],
  ["seed", "NATS_SEED", "user_seed", []],
  ["ca", "NATS_CA", "ca", ["caFile"]],
  ["cert", "NATS_CERT", "cert", ["certFile"]],
  ["key", "NATS_KEY", "key", ["keyFile"]],
  ["tlsFirst", "NATS_TLS_FIRST", "tls_first", ["tlsFirst"]],
  ["inboxPrefix", "NATS_INBOX_PREFIX", "inbox_prefix", ["inboxPrefix"]],
];

/** An operator's names for the fields that no setting of their own says. */
function namesOf(explicit: Said, { NATS_CONTEXT, NATS_TOKEN }: NatsVariables): Record<string, string> {
  const named: Record<string, string> = {};
  for (const [said, , field, as] of CALLED) {
    // A context has no file for a password.
    if (NATS_CONTEXT === undefined || field === "" || explicit[said] !== undefined) continue;
    for (const each of as) named[each] = `${field} of context ${JSON.stringify(NATS_CONTEXT)}`;
  }
  if (explicit.token !== undefined && NATS_TOKEN === undefined) named["token"] = "NATS_USER without NATS_PASSWORD";
  if (explicit.jwt !== undefined) named["creds"] = "NATS_JWT and NATS_SEED";
  return named;
}

/** The text of a credentials file. */
function credentials(jwt: string, seed: string): string {
  const part = (what: string, text: string) => `-----BEGIN ${what}-----\n${text}\n------END ${what}------\n`;
  return `${part("NATS USER JWT", jwt)}\n${part("USER NKEY SEED", seed)}`;
}

/** What is wrong with a setting. */
class SaidError extends Error {
  override readonly name = "SaidError";
  readonly said: keyof Said;
  constructor(said: keyof Said, { message }: SecretReferenceError) {
    super(message);
    this.said = said;
  }
}

/** Runs `read` on the text of `field`, if there is one. Throws {@linkcode SaidError}. */
function follow<Found>(said: Said, field: TextField, read: (text: string) => Found): Found | undefined {
  const text = said[field];
  if (text === undefined) return undefined;
  try {
    return read(text);
  } catch (error) {
    throw error instanceof SecretReferenceError ? new SaidError(field, error) : error;
  }
}

type TextField = Exclude<keyof Said, "tlsFirst">;

type Defined<Value> = { [Key in keyof Value]?: Exclude<Value[Key], undefined> };

function defined<Value extends object>(value: Value): Defined<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as Defined<Value>;
}

function toSettings(said: Said, environment: NodeJS.Dict<string>): Omit<NatsSettings, "named"> {
  const { user, password, token, tlsFirst, inboxPrefix } = said;
  const find = (field: TextField) => follow(said, field, (text) => readReference(text, environment));
  const secret = (field: TextField) => follow(said, field, (text) => readSecret(text, environment));
  const path = (field: TextField) => {
    const found = find(field);
    return found !== undefined && "path" in found ? resolve(found.path) : undefined;
  };
  const pathOnly = (field: TextField) =>
    follow(said, field, (reference) => {
      const found = readReference(reference, environment);
      if ("path" in found) return resolve(found.path);
      throw new SecretReferenceError("a path or file://");
    });
  const text = (field: TextField) => {
    const found = find(field);
    return found !== undefined && "text" in found ? found.text : undefined;
  };
  const passwordFile = pathOnly("passwordFile");
  const [jwt, seed] = [secret("jwt"), secret("seed")];
  const isSigned = jwt !== undefined && seed !== undefined;
  return defined({
    ...{ user, password, passwordFile, token, tlsFirst, inboxPrefix },
    ...{ nkeyFile: path("nkey"), nkeySeed: text("nkey"), credsFile: path("creds") },
    ...(isSigned ? { creds: credentials(jwt, seed) } : { jwt, creds: text("creds") }),
    ...{ caFile: pathOnly("ca"), certFile: pathOnly("cert"), keyFile: pathOnly("key") },
  });
}

/**
 * Joins the settings with the context that `NATS_CONTEXT` names; settings win. Returns the problems if there are any.
 */
export function readNats(env: NatsVariables, environment: NodeJS.Dict<string>): NatsSaid | SettingProblem {
  const called = env.NATS_CONTEXT;
  try {
    const explicit = saidBySettings(env);
    const context = called === undefined ? {} : saidByContext(readContext(called, environment), environment);
    const said = merge(explicit, context);
    if (said.seed !== undefined && said.jwt === undefined) {
      return { setting: "NATS_SEED", value: "***", allowed: "a seed beside NATS_JWT, which is not set" };
    }
    const named = namesOf(explicit, env);
    const settings = toSettings(said, environment);
    const url = said.url ?? (called === undefined ? undefined : DEFAULT_URL);
    return { url, nats: Object.keys(named).length === 0 ? settings : { ...settings, named } };
  } catch (error) {
    if (error instanceof ContextError || error instanceof SecretReferenceError) {
      return { setting: "NATS_CONTEXT", value: called ?? "", allowed: error.message };
    }
    if (error instanceof SaidError) return problemOf(error, env);
    throw error;
  }
}

function problemOf({ said, message }: SaidError, env: NatsVariables): SettingProblem {
  const [, setting = "", field = ""] = CALLED.find(([each]) => each === said) ?? [];
  if (env.NATS_CONTEXT === undefined || saidBySettings(env)[said] !== undefined) {
    return { setting, value: "***", allowed: message };
  }
  return { setting: "NATS_CONTEXT", value: env.NATS_CONTEXT, allowed: `a context in which ${field} is ${message}` };
}
