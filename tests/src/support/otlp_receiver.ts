import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";

/*
 * A collector that keeps the spans which are sent to it by OTLP over HTTP as protobuf. It decodes them by the field numbers of
 * opentelemetry/proto/trace/v1/trace.proto, so that what our exporter sends is what any collector reads.
 */

/** A span, as the collector has it. */
export interface ReceivedSpan {
  readonly service: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Empty: it is the first of its trace. */
  readonly parentId: string;
  readonly name: string;
  /** 1 internal, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  readonly startedAtNs: bigint;
  readonly endedAtNs: bigint;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly string[];
  /** 2: an error. */
  readonly status: number;
}

/** A field of a protobuf message: a number, or bytes. */
interface Field {
  readonly number: number;
  readonly varint: bigint;
  readonly bytes: Buffer;
}

const NONE = Buffer.alloc(0);

function* fieldsOf(bytes: Buffer): Generator<Field> {
  let at = 0;
  function varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  while (at < bytes.length) {
    const key = Number(varint());
    const number = key >> 3;
    if ((key & 7) === 0) yield { number, varint: varint(), bytes: NONE };
    else if ((key & 7) === 1) {
      yield { number, varint: bytes.readBigUInt64LE(at), bytes: NONE };
      at += 8;
    } else if ((key & 7) === 5) {
      yield { number, varint: BigInt(bytes.readUInt32LE(at)), bytes: NONE };
      at += 4;
    } else {
      const length = Number(varint());
      yield { number, varint: 0n, bytes: bytes.subarray(at, at + length) };
      at += length;
    }
  }
}

function all(bytes: Buffer, number: number): Buffer[] {
  return [...fieldsOf(bytes)].filter((field) => field.number === number).map((field) => field.bytes);
}

function anyValueOf(bytes: Buffer): unknown {
  for (const { number, varint, bytes: inner } of fieldsOf(bytes)) {
    if (number === 1) return inner.toString();
    if (number === 3) return Number(varint);
    if (number === 5) return all(inner, 1).map(anyValueOf);
  }
  return undefined;
}

function attributesOf(pairs: readonly Buffer[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => [all(pair, 1)[0]?.toString() ?? "", anyValueOf(all(pair, 2)[0] ?? NONE)]),
  );
}

function spanOf(bytes: Buffer, service: string): ReceivedSpan {
  const first = new Map([...fieldsOf(bytes)].map((field) => [field.number, field]));
  const hex = (number: number) => first.get(number)?.bytes.toString("hex") ?? "";
  const status = [...fieldsOf(first.get(15)?.bytes ?? NONE)].find(({ number }) => number === 3);
  return {
    ...{ service, traceId: hex(1), spanId: hex(2), parentId: hex(4) },
    name: first.get(5)?.bytes.toString() ?? "",
    kind: Number(first.get(6)?.varint ?? 0n),
    startedAtNs: first.get(7)?.varint ?? 0n,
    endedAtNs: first.get(8)?.varint ?? 0n,
    attributes: attributesOf(all(bytes, 9)),
    events: all(bytes, 11).map((event) => all(event, 2)[0]?.toString() ?? ""),
    status: Number(status?.varint ?? 0n),
  };
}

function spansIn(request: Buffer): ReceivedSpan[] {
  return all(request, 1).flatMap((ofResource) => {
    const resource = attributesOf(all(all(ofResource, 1)[0] ?? NONE, 1));
    const service = String(resource["service.name"]);
    return all(ofResource, 2)
      .flatMap((ofScope) => all(ofScope, 2))
      .map((span) => spanOf(span, service));
  });
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

/** A collector under way. */
export interface OtlpReceiver extends AsyncDisposable {
  /** For `OTEL_EXPORTER_OTLP_ENDPOINT`. */
  readonly url: string;
  /** All spans so far. */
  readonly spans: readonly ReceivedSpan[];
}

/** Starts a collector on a free port. */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const isTraces = request.url === "/v1/traces" && request.headers["content-type"] === "application/x-protobuf";
    if (isTraces) spans.push(...spansIn(body));
    response.writeHead(isTraces ? 200 : 404).end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    spans,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
