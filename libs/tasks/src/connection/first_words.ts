import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";

/** Longest wait for the first line of a server, ms. A nats-server sends it at once. */
const SPEAKS_MS = 5_000;
/** Longest wait for a TLS handshake, ms. */
const HANDSHAKE_MS = 5_000;
/** Greatest length of that line, bytes. */
const LONGEST = 65_536;

/** What a server does before we have said anything. */
export type FirstWords =
  /** It introduces itself. `wantsCertificate`: it accepts no client without a certificate. */
  | { readonly kind: "info"; readonly wantsCertificate: boolean }
  /** It waits for a TLS handshake. */
  | { readonly kind: "tls" }
  | { readonly kind: "nothing" };

interface Place {
  readonly host: string;
  readonly port: number;
}

function placeOf(address: string): Place {
  const { hostname, port } = new URL(`nats://${address}`);
  return { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** The first line, as far as it arrived in time. Sends nothing. */
function firstLine(place: Place): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let line = "";
  const socket = connectTcp(place);
  const end = () => resolve(line);
  socket.setTimeout(SPEAKS_MS, end);
  socket.on("data", (bytes) => {
    line += bytes.toString("utf8");
    if (line.includes("\r\n") || line.length > LONGEST) end();
  });
  socket.on("error", end).on("close", end);
  return promise.finally(() => socket.destroy());
}

/** Whether a TLS handshake succeeds, with any certificate. Nothing is sent over it. */
function shakesHands(place: Place): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connectTls({ ...place, rejectUnauthorized: false }, () => resolve(true));
  const end = () => resolve(false);
  socket.setTimeout(HANDSHAKE_MS, end);
  socket.on("error", end).on("close", end);
  return promise.finally(() => socket.destroy());
}

/** Listens to the server at `address` (`host:port`), to find out why a connection failed. Takes at most some seconds; never throws. */
export async function hearFirst(address: string): Promise<FirstWords> {
  const place = placeOf(address);
  const [, json] = /^INFO (\{.*\}) *\r\n/s.exec(await firstLine(place)) ?? [];
  if (json !== undefined) return { kind: "info", wantsCertificate: /"tls_verify":true/.test(json) };
  return (await shakesHands(place)) ? { kind: "tls" } : { kind: "nothing" };
}
