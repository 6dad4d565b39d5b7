import test from "ava";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { NotReadyError, untilReady } from "./readiness.ts";

async function serve(listener: RequestListener): Promise<Disposable & { readonly port: number }> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const never = new AbortController().signal;

test("an app is ready once it answers yes, however often it said no", async (t) => {
  let asked = 0;
  using server = await serve((_request, response) => {
    asked++;
    response.writeHead(asked < 3 ? 503 : 200).end("the database is away\n");
  });
  await untilReady("scheduler", server.port, { withinMs: 10_000, signal: never });
  t.is(asked, 3);
});

test("an app that does not get ready is named with the reason that it gave", async (t) => {
  using server = await serve((_request, response) => void response.writeHead(503).end("the database is away\n"));
  const error = await t.throwsAsync(untilReady("scheduler", server.port, { withinMs: 50, signal: never }), {
    instanceOf: NotReadyError,
  });
  t.is(error.app, "scheduler");
  t.true(error.message.includes("the database is away"));
});

test("a demand to stop ends the wait", async (t) => {
  using server = await serve((_request, response) => void response.writeHead(503).end());
  const stop = new AbortController();
  const waiting = untilReady("scheduler", server.port, { withinMs: 60_000, signal: stop.signal });
  stop.abort(new Error("told to stop"));
  await t.throwsAsync(waiting);
});
