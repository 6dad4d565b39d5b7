// Makes what server.conf and cluster.conf need beside users.conf: passwords, an authority and a certificate. What is there is kept.
//
//   node infra/nats/make_secrets.mjs <folder> [host ...]
//
// In <folder>/server stands what belongs into /etc/nats of each server, and in <folder>/clients what the apps need.
// Tested by tests/src/access/make_secrets_test.ts
import { execFileSync } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import process from "node:process";

/** Random bytes of a password. */
const PASSWORD_BYTES = 24;
/** Time for which the authority and its certificates are valid, days. */
const VALID_DAYS = "3650";
/** A certificate is made anew when it is valid for less than this, ms. */
const RENEW_MS = 30 * 24 * 60 * 60 * 1000;
/** Mode of a file that holds a secret: its owner alone may read it. */
const SECRET = 0o600;
/** A bcrypt hash, which a server takes in place of a password. Nobody can log in with it. */
const HASH = /^\$2[abxy]?\$/;

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

function fail(problem) {
  console.error(problem);
  process.exit(1);
}

/** Runs openssl. What it says goes to our standard error where it fails. */
function openssl(...args) {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Writes a file that nobody else may read. */
function writeSecret(file, text) {
  writeFileSync(file, text, { mode: SECRET });
}

/** The names in a certificate, as openssl takes them. */
function namesIn(certificate) {
  return (certificate.subjectAltName ?? "")
    .split(", ")
    .filter((name) => name !== "")
    .map((name) => name.replace(/^IP Address:/, "IP:"));
}

/** Key and certificate of the server, signed by the authority of this folder. A server of a cluster is a client of the others. */
function signCertificate(authority, names) {
  const [own, ownKey] = [join(tls, "tls.crt"), join(tls, "tls.key")];
  const [request, extensions] = [join(folder, "request.csr"), join(folder, "extensions.cnf")];
  writeFileSync(extensions, `subjectAltName=${names.join(",")}\nextendedKeyUsage=serverAuth,clientAuth\n`);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", ...key, "-keyout", ownKey, "-out", request, "-subj", "/CN=muster-nats");
  const signed = ["-CA", authority.certificate, "-CAkey", authority.key, "-CAcreateserial", "-days", VALID_DAYS];
  openssl("x509", "-req", "-in", request, ...signed, "-extfile", extensions, "-out", own);
}

function makeCertificates() {
  const authority = { key: join(folder, "ca.key"), certificate: join(tls, "ca.crt") };
  const own = join(tls, "tls.crt");
  const isOurs = existsSync(authority.key);
  if (!isOurs && !existsSync(authority.certificate)) {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const subject = ["-days", VALID_DAYS, "-subj", "/CN=Muster NATS authority"];
    openssl("req", "-x509", ...key, "-keyout", authority.key, "-out", authority.certificate, ...subject);
  } else if (!existsSync(authority.certificate)) {
    fail(`Cannot sign with ${authority.key}: ${authority.certificate} is missing; put it back, or delete the key too`);
  } else if (!isOurs && !existsSync(own)) {
    fail(
      `Cannot make ${own}: ${authority.certificate} is there, and its key is not ${authority.key}; put tls.crt and tls.key of your authority there, or delete ca.crt`,
    );
  }
  copyFileSync(authority.certificate, join(clients, "ca.crt"));

  const wanted = ["localhost", "127.0.0.1", ...hosts].map((host) => `${isIP(host) ? "IP" : "DNS"}:${host}`);
  if (!existsSync(own)) return signCertificate(authority, [...new Set(wanted)]);
  const certificate = new X509Certificate(readFileSync(own));
  const there = namesIn(certificate);
  const holds = (host) => (isIP(host) ? certificate.checkIP(host) : certificate.checkHost(host)) !== undefined;
  const missing = hosts.filter((host) => !holds(host));
  const ends = Date.parse(certificate.validTo);
  const isEnding = ends - Date.now() < RENEW_MS;
  if (missing.length === 0 && !isEnding) return;
  if (existsSync(authority.key)) {
    signCertificate(authority, [...new Set([...there, ...wanted])]);
    console.log(`made ${own} anew, for ${[...new Set([...there, ...wanted])].join(", ")}`);
    return;
  }
  if (missing.length > 0)
    fail(
      `Cannot use ${own} for ${missing.join(", ")}: it names ${there.join(", ")}; have your authority sign one that does`,
    );
  console.error(`${own} is valid until ${certificate.validTo}; have your authority sign a new one`);
}

/** The passwords that are there, by their variables. */
function passwordsBefore(file) {
  const known = new Map();
  if (!existsSync(file)) return known;
  for (const [, variable, quoted] of readFileSync(file, "utf8").matchAll(/^(\w+): ("(?:[^"\\]|\\.)*")$/gm))
    known.set(variable, JSON.parse(quoted));
  return known;
}

function makePasswords() {
  const file = join(server, "passwords.conf");
  const before = passwordsBefore(file);
  const lines = ["# One line for each user of users.conf. The server refuses a line that no user has."];
  for (const [, user, variable] of readFileSync(users, "utf8").matchAll(/user: "([^"]+)", password: \$(\w+)/g)) {
    const password = before.get(variable) ?? randomBytes(PASSWORD_BYTES).toString("base64url");
    lines.push(`${variable}: ${JSON.stringify(password)}`);
    // Whose hash stands there has the password, and nobody else knows it.
    if (!HASH.test(password)) writeSecret(join(clients, `${user}.password`), `${password}\n`);
  }
  writeSecret(file, `${lines.join("\n")}\n`);
}

makeCertificates();
makePasswords();
console.log(`servers: ${server}\nclients: ${clients}`);
