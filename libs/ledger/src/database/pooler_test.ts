import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import test from "ava";
import { openDatabase } from "../open_database.ts";
import { migrate } from "../schema/migrate.ts";
import { startTestServer } from "../testing/mod.ts";
import { DatabaseGoneError } from "./failures.ts";

const server = await startTestServer();
test.after.always(() => server[Symbol.asyncDispose]());

/** The first message of a connection without its `options`, as a pooler that ignores them passes it on. */
function withoutOptions(message: Buffer): Buffer {
  const fields = message.subarray(8).toString("latin1").split("\0");
  const at = fields.indexOf("options");
  const body = Buffer.from([...fields.slice(0, at), ...fields.slice(at + 2)].join("\0"), "latin1");
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length);
  message.copy(head, 4, 4, 8);
  return Buffer.concat([head, body]);
}

/** A pooler's refusal of `options`. */
function refusal(): Buffer {
  const body = Buffer.from("SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0");
  const head = Buffer.from("E\0\0\0\0");
  head.writeInt32BE(4 + body.length, 1);
  return Buffer.concat([head, body]);
}

/** Listens in place of the server of `url`, and lets `answer` handle the first message of each connection. */
async function startPooler(url: string, answer: (client: Socket, first: Buffer, target: URL) => void) {
  const target = new URL(url);
  const pooler = createServer((client) => {
    client.on("error", () => undefined);
    client.once("data", (first) => answer(client, Buffer.from(first), target));
  });
  await once(pooler.listen(0, "127.0.0.1"), "listening");
  const { port } = pooler.address() as AddressInfo;
  const own = new URL(url);
  own.host = `127.0.0.1:${port}`;
  return { url: own.href, [Symbol.dispose]: () => void pooler.close() };
}

test("a pooler that drops the settings of a connection is named at the first question, before anything is done", async (t) => {
  using pooler = await startPooler(await server.createUrl(), (client, first, { hostname, port }) => {
    const upstream = connect(Number(port), hostname);
    upstream.on("error", () => client.destroy());
    upstream.write(withoutOptions(first));
    client.pipe(upstream).pipe(client);
  });
  await using database = await openDatabase({ url: pooler.url });
  const expected = { instanceOf: DatabaseGoneError, message: /^Cannot use the database: a pooler .* and no pooler/ };
  await t.throwsAsync(database.ping(), expected);
  await t.throwsAsync(database.requireMigrated(), expected);
  await t.throwsAsync(migrate(pooler.url), expected);
});

test("a pooler that refuses the settings of a connection is named too", async (t) => {
  using pooler = await startPooler(await server.createUrl(), (client) => client.end(refusal()));
  await using database = await openDatabase({ url: pooler.url });
  const message = /unsupported startup parameter: options \(08P01\); let DATABASE_URL name PostgreSQL itself/;
  await t.throwsAsync(database.ping(), { instanceOf: DatabaseGoneError, message });
  await t.throwsAsync(migrate(pooler.url), { instanceOf: DatabaseGoneError, message });
});
