// Tested by tests/src/access/login_test.ts
// Tested by tests/src/access/tls_test.ts
import { AuthorizationError, TimeoutError, UserAuthenticationExpiredError } from "@nats-io/nats-core";
import type { Login } from "../access/login.ts";
import { type NatsAccess, nameOf } from "../access/nats_access.ts";
import { readFileSync } from "node:fs";
import { X509Certificate } from "node:crypto";
import type { NatsServers } from "../access/servers.ts";
import { reasonForTls } from "../access/tls.ts";
import { hearFirst } from "./first_words.ts";

/** The server that we tried to reach, and the login. */
export interface Reached {
  readonly access: NatsAccess;
  readonly servers: NatsServers;
  readonly login: Login;
}

/** Node.js's codes for a certificate that is not trusted. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
]);

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** The client's text where the server closed the connection without a word. */
const HUNG_UP = "node provided an undefined error";

function explainLogin({ login: { who } }: Reached, text: string): string {
  if (who === undefined) {
    return `it wants to know who we are (${text}); set NATS_CREDS, NATS_NKEY, NATS_USER with NATS_PASSWORD or NATS_PASSWORD_FILE, NATS_TOKEN or NATS_CONTEXT`;
  }
  return `it does not let in ${who} (${text}); correct the setting, or add it to the server`;
}

/** A WebSocket reports no reason. */
function explainWebSocket({ servers }: Reached, text: string): string {
  if (text !== "") return `${text}; start it, or set NATS_URL`;
  return servers.isTls
    ? "it does not answer, or nobody vouches for its certificate; start it, or name the CA in NODE_EXTRA_CA_CERTS"
    : "it does not answer; start it, or set NATS_URL";
}

/** When our certificate expired; undefined: it has not, by its dates. */
function expiryOf(certFile: string): string | undefined {
  try {
    const { validTo } = new X509Certificate(readFileSync(certFile));
    return Date.parse(validTo) < Date.now() ? new Date(validTo).toISOString() : undefined;
  } catch {
    return undefined; // it was readable when we connected, so its present content is not what was refused
  }
}

/** The server accepts no client without a certificate, and refused us. */
function explainCertificate({ access }: Reached, said: string): string {
  const { certFile } = access;
  if (certFile === undefined) return `it wants a certificate of ours${said}; set NATS_CERT and NATS_KEY`;
  const which = `it does not take our certificate, ${nameOf(access, "certFile")} ${JSON.stringify(certFile)}${said}`;
  const expiredAt = expiryOf(certFile);
  if (expiredAt !== undefined) return `${which}: it has expired at ${expiredAt}; have it renewed`;
  return `${which}; have it signed by a CA that the server knows, or name another one`;
}

/** The server closed the connection, or said nothing. Listening to it tells more. */
async function explainSilence(reached: Reached, text: string): Promise<string> {
  const { access, servers } = reached;
  const [address = ""] = servers.servers;
  const first = await hearFirst(address);
  if (first.kind === "tls" && !access.tlsFirst)
    return `it begins with TLS before it says anything, and ${nameOf(access, "tlsFirst")} is not set; set it to true`;
  const isExpired = access.certFile !== undefined && expiryOf(access.certFile) !== undefined;
  if ((first.kind === "info" && first.wantsCertificate) || (first.kind === "tls" && isExpired))
    return explainCertificate(reached, "");
  const ways = ["start it", "set NATS_URL"];
  const isWithoutCertificate = reasonForTls(access, servers) !== undefined && access.certFile === undefined;
  if (isWithoutCertificate) ways.push("set NATS_CERT and NATS_KEY where the server wants a certificate of ours");
  return `${text}; ${ways.join(", or ")}`;
}

/** Node.js's code where the server did not speak TLS. */
const NO_TLS = "ERR_SSL_WRONG_VERSION_NUMBER";
/** OpenSSL's text for the same, which the client passes on without a code. */
const NO_TLS_TEXT = ":wrong version number:";

/** One line: what went wrong, and what to do about it. */
export async function explain(reached: Reached, cause: unknown): Promise<string> {
  const { access, servers } = reached;
  const text = cause instanceof Error ? cause.message : String(cause);
  const code = codeOf(cause);
  if (cause instanceof AuthorizationError || cause instanceof UserAuthenticationExpiredError) {
    return explainLogin(reached, text);
  }
  if (text === "server does not support 'tls'") {
    const asked = reasonForTls(access, servers);
    return `it offers no TLS, which ${asked} asks for, so nothing was sent; let the server offer TLS, or do not ask for it`;
  }
  if (code === NO_TLS || text.includes(NO_TLS_TEXT)) {
    const asked = access.tlsFirst ? `${nameOf(access, "tlsFirst")} "true"` : reasonForTls(access, servers);
    return `it does not begin with TLS, which ${asked} asks for, so nothing was sent; take that setting away, or let the server begin with TLS (handshake_first)`;
  }
  if (servers.transport === "websocket") return explainWebSocket(reached, text);
  if (UNTRUSTED.has(code)) return `nobody vouches for its certificate (${code}); name the CA that signed it in NATS_CA`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `${text}; use a name that the certificate has`;
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired; have it renewed";
  if (code.startsWith("ERR_SSL_") && code.includes("CERTIFICATE")) {
    return explainCertificate(reached, ` (${code})`);
  }
  if (text.includes(HUNG_UP)) return explainSilence(reached, "it hung up without a word");
  if (cause instanceof TimeoutError) return explainSilence(reached, text);
  return `${text}; start it, or set NATS_URL`;
}
