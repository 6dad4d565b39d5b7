import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import test from "ava";
import { headerOf, oneLine, readHeaders } from "./headers.ts";

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
