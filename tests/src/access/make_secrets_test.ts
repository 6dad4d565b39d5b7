import test from "ava";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { cp, mkdtempDisposable, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const SCRIPT = join(import.meta.dirname, "..", "..", "..", "infra", "nats", "make_secrets.mjs");

/** A folder with secrets for these hosts. */
async function open(...hosts: readonly string[]) {
  const temporary = await mkdtempDisposable(join(tmpdir(), "muster-secrets-"));
  const path = (...parts: readonly string[]) => join(temporary.path, ...parts);
  const read = (...parts: readonly string[]) => readFile(path(...parts), "utf8");
  async function make(...names: readonly string[]): Promise<{ readonly code: number; readonly errors: string }> {
    try {
      const { stderr } = await promisify(execFile)(process.execPath, [SCRIPT, temporary.path, ...names]);
      return { code: 0, errors: stderr };
    } catch (error) {
      if (error instanceof Error && "code" in error && "stderr" in error)
        return { code: Number(error.code), errors: String(error.stderr) };
      throw error;
    }
  }
  const first = await make(...hosts);
  if (first.code !== 0) throw new Error(first.errors);
  const certificate = async () => new X509Certificate(await read("server", "tls", "tls.crt"));
  return { path, read, make, certificate, [Symbol.asyncDispose]: () => temporary[Symbol.asyncDispose]() };
}

test("made again with the same hosts, secrets stay as they are", async (t) => {
  await using secrets = await open("nats1.example.org");
  const files = [
    ["server", "passwords.conf"],
    ["server", "tls", "tls.crt"],
    ["clients", "operator.password"],
  ] as const;
  const before = await Promise.all(files.map((file) => secrets.read(...file)));
  t.is((await secrets.make("nats1.example.org")).code, 0);
  t.is((await secrets.make()).code, 0);
  t.deepEqual(await Promise.all(files.map((file) => secrets.read(...file))), before);
});

test("a host that is named later comes into the certificate, beside those that are there, by the same authority", async (t) => {
  await using secrets = await open("nats1.example.org");
  const authority = await secrets.read("clients", "ca.crt");
  t.is((await secrets.make("nats2.example.org", "192.0.2.7")).code, 0);
  const certificate = await secrets.certificate();
  for (const host of ["localhost", "nats1.example.org", "nats2.example.org"]) t.is(certificate.checkHost(host), host);
  t.is(certificate.checkIP("192.0.2.7"), "192.0.2.7");
  t.is(await secrets.read("clients", "ca.crt"), authority);
  t.true(certificate.verify(new X509Certificate(authority).publicKey));
});

test("certificates of an authority of one's own are kept, and its ca.crt goes to the clients", async (t) => {
  await using own = await open("nats1.example.org");
  await using secrets = await open();
  await cp(own.path("server", "tls"), secrets.path("server", "tls"), { recursive: true });
  await rm(secrets.path("ca.key"));
  const authority = await own.read("server", "tls", "ca.crt");
  t.is((await secrets.make("nats1.example.org")).code, 0);
  t.is(await secrets.read("server", "tls", "ca.crt"), authority);
  t.is(await secrets.read("clients", "ca.crt"), authority);
  t.is((await secrets.certificate()).checkHost("nats1.example.org"), "nats1.example.org");

  const { code, errors } = await secrets.make("nats2.example.org");
  t.is(code, 1);
  t.regex(
    errors,
    /^Cannot use .*tls\.crt for nats2\.example\.org: it names .*nats1\.example\.org; have your authority/,
  );
  await rm(secrets.path("server", "tls", "tls.crt"));
  t.regex((await secrets.make()).errors, /^Cannot make .*tls\.crt: .*ca\.crt is there, and its key is not/);
  t.is(await secrets.read("server", "tls", "ca.crt"), authority);
});

test("a hash in passwords.conf is kept, and the client's password is not overwritten with it; any other character is kept too", async (t) => {
  await using secrets = await open();
  const file = secrets.path("server", "passwords.conf");
  const password = await secrets.read("clients", "operator.password");
  const hash = `PASSWORD_OPERATOR: "$2a$11$${"a".repeat(53)}"`;
  const quoted = `PASSWORD_SCHEDULER: ${JSON.stringify('a"b\\c')}`;
  const text = (await readFile(file, "utf8"))
    .replace(/^PASSWORD_OPERATOR: .*$/m, () => hash)
    .replace(/^PASSWORD_SCHEDULER: .*$/m, () => quoted);
  await writeFile(file, text);
  t.is((await secrets.make()).code, 0);
  t.is(await readFile(file, "utf8"), text);
  t.is(await secrets.read("clients", "operator.password"), password);
  t.is(await secrets.read("clients", "scheduler.password"), 'a"b\\c\n');
});
