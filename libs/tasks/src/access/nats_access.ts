// Tested by tests/src/access/login_test.ts
// Tested by libs/tasks/src/access/read_access_file_test.ts
/** How to reach NATS and log in there. Plain data, so that it can be sent to another thread. */
export interface NatsAccess {
  /**
   * One URL, or several separated by commas, e.g. `nats://127.0.0.1:4222`. `tls://` asks for TLS, `ws://` and `wss://` for a WebSocket.
   *
   * It may hold credentials, percent-encoded: `nats://user:password@host` or `nats://token@host`. They apply to all servers.
   */
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** Path of a file with the password, in place of it. It is read again at each reconnect. */
  readonly passwordFile?: string | undefined;
  /** May be combined with another way to log in. */
  readonly token?: string | undefined;
  /** Path of a file with the seed of an nkey. It is read again at each reconnect. */
  readonly nkeyFile?: string | undefined;
  /** The seed itself, in place of its file. */
  readonly nkeySeed?: string | undefined;
  /** Path of a credentials file. It is read again at each reconnect. */
  readonly credsFile?: string | undefined;
  /** The text of a credentials file. */
  readonly creds?: string | undefined;
  /** A user's JWT for which the server asks for no signature. */
  readonly jwt?: string | undefined;
  /**
   * Path of the CA certificates (PEM) that the server's certificate is checked against; default: those that Node.js trusts. Asks for TLS.
   */
  readonly caFile?: string | undefined;
  /** Path of our own certificate (PEM), with `keyFile`. Asks for TLS. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** The server begins with TLS before it says anything (its `handshake_first`). Asks for TLS. */
  readonly tlsFirst?: boolean | undefined;
  /** Prefix of the subjects on which we receive answers, default `_INBOX`. */
  readonly inboxPrefix?: string | undefined;
  /** An operator's name for a field that did not come from its setting, e.g. `creds of context "prod"`. */
  readonly named?: Readonly<Record<string, string>> | undefined;
}

/** A field of {@linkcode NatsAccess} that an operator sets. */
export type AccessField = Exclude<keyof NatsAccess, "named">;

const SETTINGS: Readonly<Record<AccessField, string>> = {
  url: "NATS_URL",
  user: "NATS_USER",
  password: "NATS_PASSWORD",
  passwordFile: "NATS_PASSWORD_FILE",
  token: "NATS_TOKEN",
  nkeyFile: "NATS_NKEY",
  nkeySeed: "NATS_NKEY",
  credsFile: "NATS_CREDS",
  creds: "NATS_CREDS",
  jwt: "NATS_JWT",
  caFile: "NATS_CA",
  certFile: "NATS_CERT",
  keyFile: "NATS_KEY",
  tlsFirst: "NATS_TLS_FIRST",
  inboxPrefix: "NATS_INBOX_PREFIX",
};

/** The fields of `access` only, of a value that may have more: a function could not be sent to another thread. */
export function plainAccess(access: NatsAccess): NatsAccess {
  const fields = Object.keys(SETTINGS) as AccessField[];
  const plain = Object.fromEntries(fields.map((field) => [field, access[field]]));
  return { ...plain, url: access.url, named: access.named };
}

/** The operator's name of `field`: its setting, or the place it was taken from. */
export function nameOf({ named }: Pick<NatsAccess, "named">, field: AccessField): string {
  return named?.[field] ?? SETTINGS[field];
}

/** Fields whose value is shown in errors. The others are secrets. */
const SHOWN: ReadonlySet<AccessField> = new Set([
  "user",
  "passwordFile",
  "nkeyFile",
  "credsFile",
  "caFile",
  "certFile",
  "keyFile",
  "tlsFirst",
  "inboxPrefix",
]);

/** NATS cannot be reached with these settings, and waiting does not help: a setting or a file must change. */
export class NatsAccessError extends Error {
  override readonly name = "NatsAccessError";
  /** The operator's name of the setting, e.g. `NATS_CA`. */
  readonly setting: string;
  /** Its value, without secrets. */
  readonly value: string;
  /** What it may be, and what was found instead. */
  readonly allowed: string;
  constructor(access: NatsAccess, field: AccessField, allowed: string) {
    const setting = nameOf(access, field);
    const value =
      field === "url" ? withoutSecrets(access.url) : SHOWN.has(field) ? shownPath(String(access[field])) : "***";
    super(`Cannot use ${setting}: it is ${JSON.stringify(value)}, allowed is ${allowed}`);
    this.setting = setting;
    this.value = value;
    this.allowed = allowed;
  }
}

/** A seed, a JWT or PEM, which somebody may have given in place of its file's path. */
const LIKE_A_SECRET = /[\r\n]|-----BEGIN|(?:^|\/)S[A-Z][A-Z2-7]{30}|eyJ[\w-]{20}/;

function shownPath(path: string): string {
  return LIKE_A_SECRET.test(path) ? "***" : path;
}

/** A comma after which the next URL begins. Another comma may be part of a password that is not percent-encoded. */
const NEXT_URL = /,(?=\s*[a-z][a-z0-9+.-]*:\/\/)/i;

/** Hides the user and password of each URL. Where they are not percent-encoded, it hides more rather than less. */
export function withoutSecrets(url: string): string {
  return url
    .split(NEXT_URL)
    .map((one) => one.replace(/^(\s*(?:[a-z][a-z0-9+.-]*:\/\/)?).*@/is, "$1***@"))
    .join(",");
}
