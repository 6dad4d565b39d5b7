import { once } from "node:events";
import { connect } from "node:net";

/** A message with a header block that is written byte by byte, as no client library writes it. */
export interface RawBytes {
  readonly subject: string;
  /** The whole block, e.g. `NATS/1.0\r\nA: b\r\n\r\n`. */
  readonly headerBlock: string;
  readonly body?: string;
}

/** Publishes over a bare socket. Resolves when the server has read the whole message, which JetStream then stores. */
export async function publishBytes(url: string, { subject, headerBlock, body = "" }: RawBytes): Promise<void> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const header = Buffer.from(headerBlock, "latin1");
  const content = Buffer.from(body);
  socket.write('CONNECT {"verbose":false,"headers":true}\r\n');
  socket.write(`HPUB ${subject} ${header.length} ${header.length + content.length}\r\n`);
  socket.write(Buffer.concat([header, content, Buffer.from("\r\nPING\r\n")]));
  for (let seen = ""; !seen.includes("PONG"); ) {
    const [bytes] = await once(socket, "data");
    seen += String(bytes);
    if (seen.includes("-ERR")) throw new Error(`the server answers ${JSON.stringify(seen)}`);
  }
  socket.end();
  await once(socket, "close");
}
