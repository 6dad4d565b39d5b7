import test from "ava";
import { canonicalJson } from "./json.ts";
import { payloadHash, readPayload, sizeProblem } from "./payload.ts";

const read = (text: string) => readPayload("PilotTask", new TextEncoder().encode(text));

test("an empty body is the empty object, and of a field written twice the last counts", (t) => {
  t.deepEqual(read(""), {});
  t.deepEqual(read(' { "a" : 1 , "a" : 2 } '), { a: 2 });
});

test("what is no JSON object is refused by name", (t) => {
  for (const [text, problem] of [
    ["[]", /an array/],
    ["null", /it is null/],
    ["true", /a boolean/],
    ['"x"', /a string/],
    ["1", /a number/],
    ["{", /no JSON/],
    ["{}{}", /no JSON/],
    ['{"__proto__":{}}', /a field "__proto__"/],
    ['{"a":[{"__proto__":1}]}', /a field "__proto__"/],
  ] as const) {
    t.throws(() => read(text), { name: "PayloadRefusedError", message: problem }, text);
  }
  t.throws(() => readPayload("PilotTask", Uint8Array.from([0x7b, 0xff, 0x7d])), { message: /no UTF-8/ });
});

test("depth and number of values are bounded, and looked at without recursion", (t) => {
  t.is(sizeProblem(JSON.parse("[".repeat(64) + "]".repeat(64))), undefined);
  t.regex(sizeProblem(JSON.parse("[".repeat(66) + "]".repeat(66))) ?? "", /deeper than 64/);
  t.is(sizeProblem(Array.from({ length: 19_000 }, () => 0)), undefined);
  t.regex(sizeProblem(Array.from({ length: 20_001 }, () => 0)) ?? "", /more than 20000/);
  const circle: { self?: unknown } = {};
  circle.self = circle;
  t.regex(sizeProblem(circle) ?? "", /deeper than 64/);
});

test("equal payloads have equal hashes whatever the order of their fields, and others have others", (t) => {
  t.is(canonicalJson({ b: [1, { d: 1, c: 2 }], a: null }), '{"a":null,"b":[1,{"c":2,"d":1}]}');
  t.is(payloadHash(read('{"a":1,"b":{"c":2,"d":3}}')), payloadHash(read('{ "b":{"d":3,"c":2}, "a":1.0 }')));
  t.not(payloadHash({ a: 1 }), payloadHash({ a: "1" }));
  t.not(payloadHash({ a: [1, 2] }), payloadHash({ a: [2, 1] }));
});
