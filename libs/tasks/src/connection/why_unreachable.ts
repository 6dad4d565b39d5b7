import { AuthorizationError, TimeoutError, UserAuthenticationExpiredError } from "@nats-io/nats-core";
import type { Login } from "../access/login.ts";
import type { NatsAccess } from "../access/nats_access.ts";
import type { NatsServers } from "../access/servers.ts";
import { reasonForTls } from "../access/tls.ts";

/** Whom we tried to reach, and as whom. */
export interface Reached {
  readonly access: NatsAccess;
  readonly servers: NatsServers;
  readonly login: Login;
}

/** Codes of Node.js for a certificate that is not believed. */
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

/** What the client says where the server hung up without a word. */
const HUNG_UP = "node provided an undefined error";

function explainLogin({ login: { who } }: Reached, text: string): string {
  if (who === undefined) {
    return `it wants to know who we are (${text}); set NATS_CREDS, NATS_NKEY, NATS_USER with NATS_PASSWORD, NATS_TOKEN or NATS_CONTEXT`;
  }
  return `it does not let in ${who} (${text}); correct that, or have the server know it`;
}

/** Over a WebSocket nothing is told of why. */
function explainWebSocket({ servers }: Reached, text: string): string {
  if (text !== "") return `${text}; start it, or set NATS_URL`;
  return servers.isTls
    ? "it does not answer, or nobody vouches for its certificate; start it, or name the CA in NODE_EXTRA_CA_CERTS"
    : "it does not answer; start it, or set NATS_URL";
}

function explainSilence({ access, servers }: Reached, text: string): string {
  const ways = ["start it", "set NATS_URL"];
  if (!access.tlsFirst) ways.push("set NATS_TLS_FIRST where the server begins with TLS");
  const isWithoutCertificate = reasonForTls(access, servers) !== undefined && access.certFile === undefined;
  if (isWithoutCertificate) ways.push("set NATS_CERT and NATS_KEY where the server wants a certificate of ours");
  return `${text}; ${ways.join(", or ")}`;
}

/** What went wrong, and what to do about it. */
export function explain(reached: Reached, cause: unknown): string {
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
  if (servers.transport === "websocket") return explainWebSocket(reached, text);
  if (UNTRUSTED.has(code)) return `nobody vouches for its certificate (${code}); name the CA that signed it in NATS_CA`;
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return `${text}; use a name that the certificate has`;
  if (code === "CERT_HAS_EXPIRED") return "its certificate has expired; have it renewed";
  if (code.startsWith("ERR_SSL_") && code.includes("CERTIFICATE")) {
    return `it refuses our certificate, or wants one (${code}); set NATS_CERT and NATS_KEY`;
  }
  if (text.includes(HUNG_UP)) return explainSilence(reached, "it hung up without a word");
  if (cause instanceof TimeoutError) return explainSilence(reached, text);
  return `${text}; start it, or set NATS_URL`;
}
