// Makes what server.conf and cluster.conf need beside users.conf: passwords, an authority and a certificate. What is there is kept.
//
//   node infra/nats/make_secrets.mjs <folder> [host ...]
//
// In <folder>/server stands what belongs into /etc/nats of each server, and in <folder>/clients what the apps need.
// Tested by tests/src/access/system_rights_test.ts
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import process from "node:process";

/** Random bytes of a password. */
const PASSWORD_BYTES = 24;
/** Time for which the authority and its certificates are valid, days. */
const VALID_DAYS = "3650";
/** Mode of a file that holds a secret: its owner alone may read it. */
const SECRET = 0o600;

const [folder, ...hosts] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node infra/nats/make_secrets.mjs <folder> [host ...]");
  process.exit(2);
}
const users = process.env["NATS_USERS"] ?? join(import.meta.dirname, "users.conf");
const server = join(folder, "server");
const clients = join(folder, "clients");
const tls = join(server, "tls");
for (const each of [tls, clients]) mkdirSync(each, { recursive: true, mode: 0o700 });

/** Runs openssl. What it says goes to our standard error where it fails. */
function openssl(...args) {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Writes a file that nobody else may read. */
function writeSecret(file, text) {
  writeFileSync(file, text, { mode: SECRET });
}

function makeCertificates() {
  const authority = { key: join(folder, "ca.key"), certificate: join(tls, "ca.crt") };
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  if (!existsSync(authority.key)) {
    const subject = ["-days", VALID_DAYS, "-subj", "/CN=Muster NATS authority"];
    openssl("req", "-x509", ...key, "-keyout", authority.key, "-out", authority.certificate, ...subject);
  }
  copyFileSync(authority.certificate, join(clients, "ca.crt"));
  const [own, ownKey] = [join(tls, "tls.crt"), join(tls, "tls.key")];
  if (existsSync(own)) return;
  const names = [...new Set(["localhost", "127.0.0.1", ...hosts])].map(
    (host) => `${isIP(host) ? "IP" : "DNS"}:${host}`,
  );
  const [request, extensions] = [join(folder, "request.csr"), join(folder, "extensions.cnf")];
  // A server of a cluster is a client of the others.
  writeFileSync(extensions, `subjectAltName=${names.join(",")}\nextendedKeyUsage=serverAuth,clientAuth\n`);
  openssl("req", ...key, "-keyout", ownKey, "-out", request, "-subj", "/CN=muster-nats");
  const signed = ["-CA", authority.certificate, "-CAkey", authority.key, "-CAcreateserial", "-days", VALID_DAYS];
  openssl("x509", "-req", "-in", request, ...signed, "-extfile", extensions, "-out", own);
}

function makePasswords() {
  const file = join(server, "passwords.conf");
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  const lines = ["# One line for each user of users.conf. The server refuses a line that no user has."];
  for (const [, user, variable] of readFileSync(users, "utf8").matchAll(/user: "([^"]+)", password: \$(\w+)/g)) {
    const known = new RegExp(`^${variable}: "(.*)"$`, "m").exec(before)?.[1];
    const password = known ?? randomBytes(PASSWORD_BYTES).toString("base64url");
    lines.push(`${variable}: ${JSON.stringify(password)}`);
    writeSecret(join(clients, `${user}.password`), `${password}\n`);
  }
  writeSecret(file, `${lines.join("\n")}\n`);
}

makeCertificates();
makePasswords();
console.log(`servers: ${server}\nclients: ${clients}`);
