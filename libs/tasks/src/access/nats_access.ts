// Tested by tests/src/access/login_test.ts
// Tested by libs/tasks/src/access/read_access_file_test.ts
/** How to reach NATS and log in there. Plain data, so that it can be sent to another thread. */
export interface NatsAccess {
  /**
   * One URL or several, separated by commas, e.g. `nats://127.0.0.1:4222`. `tls://` asks for TLS, `ws://` and `wss://` for a WebSocket.
   * May hold credentials, percent-encoded: `nats://user:password@host` or `nats://token@host`. They count for all servers.
   */
  readonly url: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** May stand beside another way to log in. */
  readonly token?: string | undefined;
  /** Path of a file with the seed of an nkey. It is read again at each reconnect. */
  readonly nkeyFile?: string | undefined;
  /** The seed itself. */
  readonly nkeySeed?: string | undefined;
  /** Path of a credentials file. It is read again at each reconnect. */
  readonly credsFile?: string | undefined;
  /** The text of a credentials file. */
  readonly creds?: string | undefined;
  /** A user's JWT for which the server asks for no signature. */
  readonly jwt?: string | undefined;
  /** Path of the certificates (PEM) by which the server's is judged; default: those that Node.js trusts. Asks for TLS. */
  readonly caFile?: string | undefined;
  /** Path of our own certificate (PEM), with `keyFile`. Asks for TLS. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** The server begins with TLS, before it says anything (its `handshake_first`). Asks for TLS. */
  readonly tlsFirst?: boolean | undefined;
  /** Prefix of the subjects on which we are answered, default `_INBOX`. */
  readonly inboxPrefix?: string | undefined;
  /** What an operator calls a field, where that is not the setting of this name, e.g. `creds of context "prod"`. */
  readonly named?: Readonly<Record<string, string>> | undefined;
}

/** A field of {@linkcode NatsAccess} that an operator sets. */
export type AccessField = Exclude<keyof NatsAccess, "named">;

const SETTINGS: Readonly<Record<AccessField, string>> = {
  url: "NATS_URL",
  user: "NATS_USER",
  password: "NATS_PASSWORD",
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

/** The fields of `access` alone, of a value that may have more: a function could not be sent to another thread. */
export function plainAccess(access: NatsAccess): NatsAccess {
  const fields = Object.keys(SETTINGS) as AccessField[];
  const plain = Object.fromEntries(fields.map((field) => [field, access[field]]));
  return { ...plain, url: access.url, named: access.named };
}

/** What an operator calls `field`: the setting, or the place it was taken from. */
export function nameOf({ named }: Pick<NatsAccess, "named">, field: AccessField): string {
  return named?.[field] ?? SETTINGS[field];
}

/** Fields whose value is shown in errors. The others are secrets. */
const SHOWN: ReadonlySet<AccessField> = new Set([
  "user",
  "nkeyFile",
  "credsFile",
  "caFile",
  "certFile",
  "keyFile",
  "tlsFirst",
  "inboxPrefix",
]);

/** NATS cannot be reached as it was asked for, and no waiting mends it: a setting must change, or a file. */
export class NatsAccessError extends Error {
  override readonly name = "NatsAccessError";
  /** What the operator calls it, e.g. `NATS_CA`. */
  readonly setting: string;
  /** What it holds, without secrets. */
  readonly value: string;
  /** What it may hold, and what was found instead. */
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

/** A seed, a JWT or PEM, which somebody may have put where its file's path belongs. */
const LIKE_A_SECRET = /[\r\n]|-----BEGIN|(?:^|\/)S[A-Z][A-Z2-7]{30}|eyJ[\w-]{20}/;

function shownPath(path: string): string {
  return LIKE_A_SECRET.test(path) ? "***" : path;
}

/** A comma after which the next URL begins; a bare one may be part of a password that nobody has encoded. */
const NEXT_URL = /,(?=\s*[a-z][a-z0-9+.-]*:\/\/)/i;

/** Hides the user and password of each URL. Shows too little rather than too much where they hold what should have been encoded. */
export function withoutSecrets(url: string): string {
  return url
    .split(NEXT_URL)
    .map((one) => one.replace(/^(\s*(?:[a-z][a-z0-9+.-]*:\/\/)?).*@/is, "$1***@"))
    .join(",");
}
