import test from "ava";
import { mock } from "node:test";
import { logInto } from "./log.ts";
import { sparingly } from "./sparingly.ts";

function listen() {
  const lines: Record<string, unknown>[] = [];
  return { lines, log: logInto({ write: (line) => void lines.push(JSON.parse(line)) }, "test", "info") };
}

test.beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
test.afterEach.always(() => mock.timers.reset());

test.serial("a thousand equal messages are one line, and one more that counts the rest", (t) => {
  const { lines, log } = listen();
  using quiet = sparingly(log, 30_000);
  for (let n = 0; n < 1000; n++) quiet.say("warn", "NATS does not answer", { n });
  t.is(lines.length, 1);
  t.like(lines[0], { level: "warn", msg: "NATS does not answer", n: 0 });
  mock.timers.tick(30_000);
  t.is(lines.length, 2);
  t.like(lines[1], { msg: "NATS does not answer", n: 999, repeats: 999 });
});

test.serial("other messages and other levels are not held back", (t) => {
  const { lines, log } = listen();
  using quiet = sparingly(log, 30_000);
  quiet.say("warn", "one");
  quiet.say("warn", "two");
  quiet.say("error", "one");
  t.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      ["warn", "one"],
      ["warn", "two"],
      ["error", "one"],
    ],
  );
});

test.serial("once the interval has passed without a repeat the message is new again", (t) => {
  const { lines, log } = listen();
  using quiet = sparingly(log, 30_000);
  quiet.say("info", "back");
  mock.timers.tick(30_000);
  t.is(lines.length, 1);
  quiet.say("info", "back");
  t.is(lines.length, 2);
});

test.serial("the memory for messages is bounded, however many differ", (t) => {
  const { lines, log } = listen();
  using quiet = sparingly(log, 30_000);
  for (let n = 0; n < 1000; n++) quiet.say("warn", `message ${n}`);
  quiet.say("warn", "message 0");
  quiet.say("warn", "message 999");
  t.is(lines.length, 1001, "the oldest was forgotten, the newest not");
});
