/** `scheme://user:password@` or `scheme://token@`, up to the last @ before the host. */
const CREDENTIALS = /([a-z][a-z0-9+.-]*:\/\/)([^\s/?#"'<>]+)@/gi;
const SECRET_PARAMETER = /([?&](?:password|sslpassword|token)=)[^\s&#"'<>]*/gi;

/**
 * `text` without the passwords and tokens in its URLs: `postgres://muster:***@db/muster`, `nats://***@broker:4222`.
 *
 * The user's name stays where a password follows it; alone it may be a token, so it goes too.
 */
export function redactUrls(text: string): string {
  if (!text.includes("://")) return text;
  return text
    .replace(CREDENTIALS, (_all, scheme: string, credentials: string) => {
      const colon = credentials.indexOf(":");
      return `${scheme}${colon < 0 ? "" : credentials.slice(0, colon + 1)}***@`;
    })
    .replace(SECRET_PARAMETER, "$1***");
}

/** Names of fields whose values are secrets, as they end. */
const SECRET_NAME = "(?:password|passwd|secret|token|authorization|credentials|creds|seed|jwt|api_?key)";
const SECRET_FIELD = new RegExp(`("[\\w.-]*${SECRET_NAME}":)"(?:[^"\\\\]|\\\\.)*"`, "gi");
const ENDS_AS_SECRET = new RegExp(`${SECRET_NAME}$`, "i");

/** Whether the value of a field of this name is a secret. */
export function isSecretName(name: string): boolean {
  return ENDS_AS_SECRET.test(name);
}

/** Like {@linkcode redactUrls}, for a text that may hold JSON: texts in fields that are named as secrets are left out too. */
export function redactSecrets(text: string): string {
  return redactUrls(text).replace(SECRET_FIELD, '$1"***"');
}

/** `password=...` of a text such as `host=db password=s3cret`, which libpq takes in place of a URL. */
const SECRET_WORD = /((?:^|\s)(?:password|sslpassword|token)\s*=\s*)(?:'(?:[^'\\]|\\.)*'?|\S+)/gi;
/** A URL whose credentials hold nothing that should have been percent-encoded. */
const WELL_ENCODED = /^[^@]*:\/\/[^@\s/?#"'<>]*@[^@]*$/;

/**
 * Like {@linkcode redactUrls}, for a text that should only hold URLs. Also leaves out characters that should have been
 * percent-encoded.
 */
export function redactSetting(text: string): string {
  return text
    .split(/,(?=\s*[a-z][a-z0-9+.-]*:\/\/)/i)
    .map((url) => (WELL_ENCODED.test(url) ? redactUrls(url) : redactUrls(url.replace(/^([^:]*:\/\/)?.*@/s, "$1***@"))))
    .join(",")
    .replace(SECRET_WORD, "$1***");
}
