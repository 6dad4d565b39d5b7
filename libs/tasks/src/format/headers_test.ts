import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import { MsgHdrsImpl } from "@nats-io/nats-core/internal";
import test from "ava";
import fc from "fast-check";
import { headerOf, oneLine, readHeaders, setOwn } from "./headers.ts";

test("a reason becomes one line of at most a kilobyte, without what would break a header or a terminal", (t) => {
  t.is(oneLine("  two\r\nlines\u001b[31m\u0000\u2028\u202eend "), "two lines [31m end");
  t.is(oneLine("<b>ä & 漢</b>"), "<b>ä & 漢</b>");
  for (const character of ["x", "ä", "漢", "🛰"]) {
    const line = oneLine(character.repeat(2_000));
    t.true(Buffer.byteLength(line) <= 1_024 && Buffer.byteLength(line) > 1_000, character);
    t.regex(line, new RegExp(`^${character}+\\.\\.\\.$`, "u"));
  }
});

test("headers that the client throws at are a problem that is told, not thrown", (t) => {
  const message = {
    get headers(): never {
      throw new Error("' ' is not a valid character\nin a header name");
    },
  };
  t.deepEqual(readHeaders(message), { headers: undefined, problem: "' ' is not a valid character in a header name" });
  t.deepEqual(readHeaders({}), { headers: undefined });
});

test("a header's first value is found by its exact name, in the client's own table and without one", (t) => {
  const ofClient = newHeaders();
  ofClient.append("Task-Id", "a");
  ofClient.append("Task-Id", "b");
  ofClient.set("task-id", "other");
  t.true(
    "headers" in ofClient && ofClient.headers instanceof Map,
    "the client has a table, in which a look costs little",
  );
  const walked = { [Symbol.iterator]: () => ofClient[Symbol.iterator]() } as MsgHdrs;
  for (const headers of [ofClient, walked]) {
    t.deepEqual(
      ["Task-Id", "task-id", "TASK-ID", "Task"].map((name) => headerOf(headers, name)),
      ["a", "other", "", ""],
    );
  }
  t.is(headerOf(undefined, "Task-Id"), "");
});

/** A message as the client gives it, with these headers. `decoded` counts how often the client has decoded them. */
function messageWith(lines: Uint8Array) {
  const message = {
    decoded: 0,
    _msg: { hdr: lines.length },
    _rdata: Buffer.concat([lines, Buffer.from("body: text\r\n")]),
    get headers(): MsgHdrs {
      message.decoded++;
      return MsgHdrsImpl.decode(lines);
    },
  };
  return message;
}

const headerLine = fc
  .oneof(
    fc.tuple(
      fc.constantFrom("Task-Id", "task-id", "a", "Nats-Msg-Id", "", "two words", "ä"),
      fc.string({ unit: "grapheme" }),
    ),
    fc.tuple(fc.string({ maxLength: 4 }), fc.string({ maxLength: 6, unit: "binary" })),
  )
  .map(([name, value]) => `${name}:${value}`);
const headerBlock = fc
  .tuple(
    fc.constantFrom("NATS/1.0", "NATS/1.0", "NATS/1.0", "NATS/1.0 404 No Messages", "NATS/1.0 ", "HTTP"),
    fc.array(fc.oneof(headerLine, fc.constantFrom("no colon", "", " a: b", "a:", "a: b  ", "a: b:c")), {
      maxLength: 5,
    }),
    fc.constantFrom("\r\n\r\n", "\r\n\r\n", "\r\n", "\n\n", ""),
  )
  .map(([status, lines, end]) => [status, ...lines].join("\r\n") + end);

test("headers are read as the client reads them, whatever a publisher has sent", (t) => {
  const seen = (headers: MsgHdrs | undefined) =>
    headers && { code: headers.code, entries: [...headers], text: String(headers) };
  const property = fc.property(headerBlock, fc.constantFrom<BufferEncoding>("utf8", "latin1"), (text, encoding) => {
    const bytes = Buffer.from(text, encoding);
    const { headers, problem } = readHeaders(messageWith(bytes));
    const ofClient = readHeaders({
      get headers() {
        return MsgHdrsImpl.decode(bytes);
      },
    });
    t.deepEqual({ headers: seen(headers), problem }, { headers: seen(ofClient.headers), problem: ofClient.problem });
  });
  fc.assert(property, { numRuns: 1_000 });
});

test("plain headers are read without the client", (t) => {
  const message = messageWith(Buffer.from("NATS/1.0\r\nTask-Id: a\r\nNats-Msg-Id: b \r\nTask-Id:c\r\n\r\n"));
  const { headers } = readHeaders(message);
  t.deepEqual(headers && [...headers], [
    ["Task-Id", ["a", "c"]],
    ["Nats-Msg-Id", ["b"]],
  ]);
  t.is(message.decoded, 0);
});

test("a header of our own is set as the client sets it", (t) => {
  for (const value of ["a", "", " a ", "ä 漢", "\u00a0a", "a b"]) {
    const [ours, ofClient] = [newHeaders(), newHeaders()];
    for (const each of ["earlier", value]) {
      setOwn(ours, "Task-Id", each);
      ofClient.set("Task-Id", each);
    }
    t.deepEqual([...ours], [...ofClient], JSON.stringify(value));
  }
  t.throws(() => setOwn(newHeaders(), "Task-Id", "a\r\nb: c"), { message: /cannot contain/ });
});
