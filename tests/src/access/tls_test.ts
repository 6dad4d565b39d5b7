import { atLeastOnceFactory, connectNats, type NatsAccess } from "@muster/tasks";
import test, { type ExecutionContext } from "ava";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { runMuster } from "../cli/run_muster.ts";
import { startMuster } from "../support/muster.ts";
import { startTestNats } from "../support/nats.ts";
import { certificate, mutualTls, tlsBlock } from "../support/secured_nats.ts";
import { until, within } from "../support/until.ts";

const GreetTask = atLeastOnceFactory()({ name: "GreetTask", per: "vo", execute() {} });
const caFile = certificate("ca");
const [certFile, keyFile] = [certificate("client"), certificate("client_key")];

const overTls = (url: string) => url.replace("nats://", "tls://");
const byName = (url: string) => url.replace("127.0.0.1", "localhost");

const servers: Readonly<
  Record<string, { config: string; access(url: string): NatsAccess; env: Record<string, string> }>
> = {
  "a private CA": { config: tlsBlock(), access: (url) => ({ url: overTls(url), caFile }), env: { NATS_CA: caFile } },
  "a name": { config: tlsBlock(), access: (url) => ({ url: overTls(byName(url)), caFile }), env: { NATS_CA: caFile } },
  "a certificate for an address alone": {
    config: tlsBlock("server_by_address"),
    access: (url) => ({ url, caFile }),
    env: { NATS_CA: caFile },
  },
  "certificates on both sides": {
    config: mutualTls(),
    access: (url) => ({ url, caFile, certFile, keyFile }),
    env: { NATS_CA: caFile, NATS_CERT: certFile, NATS_KEY: keyFile },
  },
  "TLS before anything is said": {
    config: tlsBlock("server", "handshake_first: true"),
    access: (url) => ({ url: overTls(url), caFile, tlsFirst: true }),
    env: { NATS_CA: caFile, NATS_TLS_FIRST: "true" },
  },
};

for (const [name, { config, access, env }] of Object.entries(servers)) {
  test(`a worker, its keeper and a command reach a server over TLS with ${name}`, async (t) => {
    await using nats = await startTestNats({ config });
    const reached = access(nats.url);
    await using muster = await startMuster({ nats, access: reached });
    await muster.startWorker({ tasks: [GreetTask] });
    const { taskId } = await muster.publish(GreetTask, { vo: "lhcb" });
    await muster.event("done", taskId);
    const list = await runMuster(["vo", "list", "--json"], { NATS_URL: reached.url, ...env });
    t.regex(list.errors + list.output, /"vo": "lhcb"/);
  });
}

/** A server that says it is a nats-server, and keeps all that it hears. */
async function startListener(info: object) {
  const heard: Buffer[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("data", (bytes) => heard.push(Buffer.from(bytes)));
    socket.on("error", () => {}); // the client hangs up as it likes
    socket.write(
      `INFO ${JSON.stringify({ version: "2.15.1", proto: 1, headers: true, max_payload: 1_048_576, ...info })}\r\n`,
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard: () => Buffer.concat(heard),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const login = { user: "ops", password: "s3cret" };

for (const [name, asked] of Object.entries<(address: string) => NatsAccess>({
  "tls://": (address) => ({ url: `tls://${address}`, ...login }),
  "tls:// at one of two servers": (address) => ({ url: `nats://${address},tls://${address}`, ...login }),
  NATS_CA: (address) => ({ url: address, caFile, ...login }),
  NATS_CERT: (address) => ({ url: address, certFile, keyFile, ...login }),
})) {
  test(`a server without TLS that is asked for it by ${name} hears nothing at all`, async (t) => {
    await using listener = await startListener({});
    const error = await t.throwsAsync(connectNats({ ...asked(listener.address), name: "test" }));
    t.regex(error.message, /offers no TLS, which NATS_(URL|CA|CERT) asks for, so nothing was sent/);
    t.is(listener.heard().length, 0);
  });
}

test("a server that only says it has TLS hears a TLS hello and nothing in the clear", async (t) => {
  await using listener = await startListener({ tls_required: true });
  const connecting = connectNats({ url: `tls://${listener.address}`, ...login, name: "test" });
  await until(async () => (listener.heard().length > 0 ? true : undefined), "a hello");
  await t.throwsAsync(connecting);
  t.is(listener.heard()[0], 0x16, "a TLS handshake record");
  t.notRegex(listener.heard().toString("latin1"), /CONNECT|s3cret/);
});

test("a connection over TLS is not opened again to a server that offers none any more", async (t) => {
  await using nats = await startTestNats({ config: tlsBlock() });
  const nc = await connectNats({ url: overTls(nats.url), caFile, name: "test" });
  const port = Number(new URL(nats.url).port);
  await nats.kill();
  const heard: Buffer[] = [];
  const tried = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on("data", (bytes) => heard.push(Buffer.from(bytes)));
    socket.on("close", () => tried.resolve());
    socket.write(`INFO ${JSON.stringify({ version: "2.15.1", proto: 1, headers: true, max_payload: 1_048_576 })}\r\n`);
  }).listen(port, "127.0.0.1");
  await within(tried.promise, () => "a try to reconnect");
  t.is(Buffer.concat(heard).length, 0);
  await nc.close();
  server.close();
  await once(server, "close");
  await nats.start();
});

test("a certificate that is not believed, or a client without one, is told with what to set", async (t) => {
  await using nats = await startTestNats({ config: tlsBlock() });
  await using elsewhere = await startTestNats({ config: tlsBlock("server_elsewhere") });
  await using mutual = await startTestNats({ config: mutualTls() });
  const refused: readonly (readonly [NatsAccess, RegExp])[] = [
    [{ url: overTls(nats.url) }, /nobody vouches for its certificate .*NATS_CA/],
    [{ url: nats.url, caFile: certificate("other_ca") }, /nobody vouches for its certificate .*NATS_CA/],
    [{ url: elsewhere.url, caFile }, /altnames.*127\.0\.0\.1.*use a name that the certificate has/],
    [{ url: byName(elsewhere.url), caFile }, /altnames.*localhost.*use a name that the certificate has/],
    [{ url: mutual.url, caFile }, /NATS_CERT and NATS_KEY/],
  ];
  for (const [access, message] of refused) {
    const error = await t.throwsAsync(connectNats({ ...access, name: "test" }));
    t.regex(error.message, message);
  }
});

/** Asserts what each way to reach a server is told. All at once: some wait for the client's timeout. */
async function assertTold(t: ExecutionContext, told: readonly (readonly [NatsAccess, RegExp])[]): Promise<void> {
  const found = await Promise.all(
    told.map(([access]) =>
      connectNats({ ...access, name: "test" }).then(
        async (nc) => {
          await nc.close();
          return "it was let in";
        },
        (error: Error) => error.message,
      ),
    ),
  );
  for (const [index, [, message]] of told.entries()) t.regex(found[index] ?? "", message);
}

test("a server that begins with TLS, and one that does not, are told apart where the setting says the contrary", async (t) => {
  await using first = await startTestNats({ config: tlsBlock("server", "handshake_first: true") });
  await using later = await startTestNats({ config: tlsBlock() });
  await using plain = await startTestNats();
  const unset = /: it begins with TLS before it says anything, and NATS_TLS_FIRST is not set; set it to true$/;
  const wrong =
    /: it does not begin with TLS, which NATS_TLS_FIRST "true" asks for, so nothing was sent; take that setting/;
  await assertTold(t, [
    [{ url: overTls(first.url), caFile }, unset],
    [{ url: first.url }, unset],
    [{ url: later.url, caFile, tlsFirst: true }, wrong],
    [{ url: plain.url, tlsFirst: true }, wrong],
  ]);
});

test("a certificate of ours that is wanted, has expired, or is signed by somebody else is told with the setting, its path and the reason", async (t) => {
  const expired = certificate("client_expired");
  const trusting = (more = "") =>
    startTestNats({ config: tlsBlock("server", `ca_file: ${JSON.stringify(expired)}, verify: true${more}`) });
  await using nats = await trusting();
  await using first = await trusting(", handshake_first: true");
  const ours = (file: string) => ({ caFile, certFile: file, keyFile });
  const renew = new RegExp(
    `: it does not take our certificate, NATS_CERT "${expired}"[^:]*: it has expired at 2021-01-01T00:00:00.000Z; have it renewed$`,
  );
  await assertTold(t, [
    [{ url: nats.url, caFile }, /: it wants a certificate of ours[^;]*; set NATS_CERT and NATS_KEY$/],
    [{ url: nats.url, ...ours(expired) }, renew],
    [{ url: first.url, ...ours(expired), tlsFirst: true }, renew],
    [
      { url: nats.url, ...ours(certFile) },
      /: it does not take our certificate, NATS_CERT ".*client\.pem"[^;]*; have it signed by a CA/,
    ],
  ]);
});
