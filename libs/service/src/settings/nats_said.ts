import { homeOf, type NatsContext } from "./nats_context.ts";
import { readSecret } from "./nats_reference.ts";
import type { NatsVariables } from "./nats_variables.ts";

/** What settings or a context say, in one form. */
export interface Said {
  url?: string | undefined;
  user?: string | undefined;
  password?: string | undefined;
  passwordFile?: string | undefined;
  token?: string | undefined;
  nkey?: string | undefined;
  creds?: string | undefined;
  jwt?: string | undefined;
  seed?: string | undefined;
  ca?: string | undefined;
  cert?: string | undefined;
  key?: string | undefined;
  tlsFirst?: boolean | undefined;
  inboxPrefix?: string | undefined;
}

/** Fields of the login. One that a setting gives replaces the whole login of a context. */
const IDENTITY = ["user", "token", "nkey", "creds", "jwt", "seed"] as const;

/** What the environment says. */
export function saidBySettings(env: NatsVariables): Said {
  // For the nats command, too, a user without a password is a token.
  const { NATS_PASSWORD: password, NATS_PASSWORD_FILE: passwordFile } = env;
  const isToken = env.NATS_USER !== undefined && password === undefined && passwordFile === undefined;
  return {
    url: env.NATS_URL,
    user: isToken ? undefined : env.NATS_USER,
    password,
    passwordFile,
    token: env.NATS_TOKEN ?? (isToken ? env.NATS_USER : undefined),
    nkey: env.NATS_NKEY,
    creds: env.NATS_CREDS,
    jwt: env.NATS_JWT,
    seed: env.NATS_SEED,
    ca: env.NATS_CA,
    cert: env.NATS_CERT,
    key: env.NATS_KEY,
    tlsFirst: env.NATS_TLS_FIRST,
    inboxPrefix: env.NATS_INBOX_PREFIX,
  };
}

/** Replaces `~` and variables in a path, as the nats command does. */
function expand(path: string | undefined, environment: NodeJS.Dict<string>): string | undefined {
  return path
    ?.replaceAll(/\$(?:\{(\w+)\}|(\w+))/g, (_all, braced, bare) => environment[braced ?? bare] ?? "")
    .replace(/^~(?=\/|$)/, () => homeOf(environment));
}

/** What a context says. Throws `SecretReferenceError`. */
export function saidByContext(context: NatsContext, environment: NodeJS.Dict<string>): Said {
  const { url, user, password, token, nkey, creds, user_jwt, user_seed, ca, cert, key, tls_first, inbox_prefix } =
    context;
  const path = (text: string | undefined) => expand(text, environment);
  const secret = (text: string | undefined) => (text === undefined ? undefined : readSecret(text, environment));
  return {
    ...{ url, user, password: secret(password), token: secret(token) },
    ...{ nkey: path(nkey), creds: path(creds), jwt: user_jwt, seed: user_seed },
    ...{ ca: path(ca), cert: path(cert), key: path(key), tlsFirst: tls_first, inboxPrefix: inbox_prefix },
  };
}

function hasCredentials(url: string | undefined): boolean {
  return url?.includes("@") ?? false;
}

/** Joins both: a setting wins over the context. */
export function merge(explicit: Said, context: Said): Said {
  const isIdentified = hasCredentials(explicit.url) || IDENTITY.some((field) => explicit[field] !== undefined);
  const rest = { ...context };
  if (isIdentified) for (const field of [...IDENTITY, "password"] as const) delete rest[field];
  if (isIdentified && hasCredentials(rest.url))
    rest.url = rest.url?.replaceAll(/(^|,)(\s*[a-z]+:\/\/)?[^,@]*@/g, "$1$2");
  if (explicit.passwordFile !== undefined) delete rest.password;
  if (explicit.cert !== undefined || explicit.key !== undefined) {
    delete rest.cert;
    delete rest.key;
  }
  const said = Object.fromEntries(Object.entries(explicit).filter(([, value]) => value !== undefined));
  return { ...rest, ...said };
}
