import { nkeys } from "@nats-io/transport-node";
import { join } from "node:path";

const CERTIFICATES = join(import.meta.dirname, "certificates");

/** Returns the path of a certificate or key for tests. It is valid for a hundred years. */
export function certificate(name: string): string {
  return join(CERTIFICATES, `${name}.pem`);
}

/** How long a TLS handshake may take, s. The server's default of 2 s is too short for a client on a busy machine. */
const HANDSHAKE_S = 60;

/** Returns the lines of a nats-server's configuration that make it serve TLS. `more` holds further settings of that block. */
export function tlsBlock(server = "server", more = ""): string {
  const files = `cert_file: ${JSON.stringify(certificate(server))}, key_file: ${JSON.stringify(certificate(`${server}_key`))}`;
  return `tls { ${files}, timeout: ${HANDSHAKE_S}${more === "" ? "" : `, ${more}`} }\n`;
}

/** Returns TLS settings with which a client needs a certificate of our CA. */
export function mutualTls(): string {
  return tlsBlock("server", `ca_file: ${JSON.stringify(certificate("ca"))}, verify: true`);
}

/** Makes a new key pair of a user. */
export function newUserKey(): { readonly seed: string; readonly publicKey: string } {
  const pair = nkeys.createUser();
  return { seed: new TextDecoder().decode(pair.getSeed()), publicKey: pair.getPublicKey() };
}

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** Makes a JWT that never expires, as nsc does. */
function jwt([issuer, subject]: readonly [KeyPair, KeyPair], name: string, nats: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { jti: name, iat: 1_700_000_000, iss: issuer.getPublicKey(), name, sub: subject.getPublicKey(), nats };
  const text = `${part({ typ: "JWT", alg: "ed25519-nkey" })}.${part(claims)}`;
  return `${text}.${Buffer.from(issuer.sign(new TextEncoder().encode(text))).toString("base64url")}`;
}

const UNLIMITED = {
  ...{ subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
  ...{ mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 },
};

/** A server in operator mode, and one user of its account. */
export interface OperatorMode {
  readonly config: string;
  readonly jwt: string;
  readonly seed: string;
  /** The text of the user's credentials file. */
  readonly creds: string;
}

/** Makes an operator, an account with JetStream, and a user. None of them expires. */
export function operatorMode(): OperatorMode {
  const [operator, account, system, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const accountJwt = (pair: KeyPair, name: string, limits: object) =>
    jwt([operator, pair], name, { type: "account", version: 2, limits });
  const userJwt = jwt([account, user], "ops", { type: "user", version: 2, subs: -1, data: -1, payload: -1 });
  const seed = new TextDecoder().decode(user.getSeed());
  const preload = [
    `${account.getPublicKey()}: ${accountJwt(account, "GRID", UNLIMITED)}`,
    `${system.getPublicKey()}: ${accountJwt(system, "SYS", { ...UNLIMITED, streams: 0, consumer: 0, mem_storage: 0, disk_storage: 0 })}`,
  ];
  const config = `operator: ${jwt([operator, operator], "site", { type: "operator", version: 2 })}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload { ${preload.join("\n")} }
`;
  const creds = `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

************************* IMPORTANT *************************
-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`;
  return { config, jwt: userJwt, seed, creds };
}
