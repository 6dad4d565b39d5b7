import type { TlsOptions } from "@nats-io/nats-core";
import type { Socket } from "node:net";
import { checkServerIdentity, createSecureContext, type PeerCertificate } from "node:tls";
import { type NatsAccess, NatsAccessError, nameOf } from "./nats_access.ts";
import { readAccessFile } from "./read_access_file.ts";
import type { NatsServers } from "./servers.ts";

/** What Node.js passes to the check as `this`. */
interface IdentityOptions {
  readonly servername?: string;
  readonly socket?: Socket;
}

/** What the client passes on to Node.js beyond its declared options. */
interface CheckedTls extends TlsOptions {
  checkServerIdentity(this: IdentityOptions, name: string, certificate: PeerCertificate): Error | undefined;
}

/** What a WebSocket of Node.js permits: it accepts no TLS options. */
const BESIDE_WEBSOCKET =
  "nothing beside ws:// and wss://, whose certificates are those that Node.js trusts: use tls://, or name the CA in NODE_EXTRA_CA_CERTS";

const TLS_FIELDS = ["caFile", "certFile", "keyFile", "tlsFirst"] as const;

/** The operator's name of the setting that asks for TLS; undefined: none does. */
export function reasonForTls(access: NatsAccess, { isTls }: NatsServers): string | undefined {
  const field = TLS_FIELDS.find((each) => access[each]);
  if (field !== undefined) return nameOf(access, field);
  return isTls ? nameOf(access, "url") : undefined;
}

function read(access: NatsAccess, field: "caFile" | "certFile" | "keyFile"): Buffer | undefined {
  const path = access[field];
  return path === undefined ? undefined : readAccessFile(access, field, path);
}

/** Throws where the files hold no certificates, or the key does not fit the certificate. */
function checkFiles(access: NatsAccess): void {
  const [ca, cert, key] = [read(access, "caFile"), read(access, "certFile"), read(access, "keyFile")];
  if (ca !== undefined && !ca.includes("-----BEGIN CERTIFICATE-----")) {
    throw new NatsAccessError(access, "caFile", "the path of a file with certificates (PEM): there is none in it");
  }
  if (cert === undefined && key !== undefined) {
    throw new NatsAccessError(
      access,
      "keyFile",
      `a key beside a certificate: ${nameOf(access, "certFile")} is not set`,
    );
  }
  if (cert === undefined) return;
  if (key === undefined) {
    throw new NatsAccessError(
      access,
      "certFile",
      `a certificate beside its key: ${nameOf(access, "keyFile")} is not set`,
    );
  }
  try {
    createSecureContext({ cert, key });
  } catch (cause) {
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "they cannot be read";
    throw new NatsAccessError(
      access,
      "certFile",
      `a certificate (PEM) that fits the key of ${nameOf(access, "keyFile")}: ${reason}`,
    );
  }
}

/**
 * The client's options for TLS; undefined: no setting asks for it, and it is used where the server wants it. With options the client sends
 * nothing to a server that offers no TLS.
 *
 * Throws {@linkcode NatsAccessError}.
 */
export function readTls(access: NatsAccess, servers: NatsServers): TlsOptions | undefined {
  const { caFile, certFile, keyFile, tlsFirst } = access;
  if (servers.transport === "websocket") {
    const field = TLS_FIELDS.find((each) => access[each]);
    if (field !== undefined) throw new NatsAccessError(access, field, BESIDE_WEBSOCKET);
    return undefined;
  }
  checkFiles(access);
  if (reasonForTls(access, servers) === undefined) return undefined;
  const options: CheckedTls = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined || keyFile === undefined ? {} : { certFile, keyFile }),
    ...(tlsFirst ? { handshakeFirst: true } : {}),
    checkServerIdentity(name, certificate) {
      // Where a server is named by its address, the client states no host, and Node.js would check against "localhost".
      return checkServerIdentity(this.servername || this.socket?.remoteAddress || name, certificate);
    },
  };
  return options;
}
