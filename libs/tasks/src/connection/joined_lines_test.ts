import test from "ava";
import { LineJoiner } from "./joined_lines.ts";

/** What is sent for steps written as `<step> <id>`: `<step> <id>,<id>` for each message. */
function sent(steps: readonly string[], padding = ""): string[] {
  const joiner = new LineJoiner();
  for (const each of steps) {
    const [step = "", about = ""] = each.split(" ");
    joiner.add({ subject: step, about, text: about + padding, begins: step === "started" });
  }
  return Array.from(joiner, (joined) => `${joined.subject} ${joined.body().split("\n").join(",")}`);
}

test("lines of one subject travel together, beginnings first", (t) => {
  t.deepEqual(sent(["started a", "done a", "started b", "done b", "done x", "started c"]), [
    "started a,b,c",
    "done a,b,x",
  ]);
});

test("one alone is sent as it is", (t) => {
  t.deepEqual(sent(["done a"]), ["done a"]);
});

test("lines of the same task keep their order, whatever was joined", (t) => {
  t.deepEqual(sent(["retry a", "started a", "done a", "started b", "done b"]), [
    "started b",
    "retry a",
    "started a",
    "done a,b",
  ]);
  t.deepEqual(sent(["contended a", "contended b", "started a", "contended c", "done a"]), [
    "contended a,b,c",
    "started a",
    "done a",
  ]);
  t.deepEqual(sent(["log a", "done a", "log b", "log a", "done b", "done c"]), ["log a,b", "done a,b,c", "log a"]);
});

test("of any steps of some tasks each task's are sent in their order", (t) => {
  const names = ["started", "done", "retry", "log", "contended"];
  let seed = 7;
  const chance = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (let round = 0; round < 2_000; round++) {
    const steps = Array.from({ length: 16 }, () => `${names[chance(5)]} ${"abcd"[chance(4)]}`);
    const heard = sent(steps).flatMap((message) => {
      const [step = "", ids = ""] = message.split(" ");
      return ids.split(",").map((id) => `${step} ${id}`);
    });
    for (const id of "abcd") {
      const isOf = (step: string) => step.endsWith(` ${id}`);
      t.deepEqual(heard.filter(isOf), steps.filter(isOf), steps.join("; "));
    }
  }
});

test("a message has sixteen lines and two kilobytes at most, and a longer line travels alone", (t) => {
  const many = Array.from({ length: 40 }, (_, index) => `done ${index}`);
  t.deepEqual(
    sent(many).map((message) => message.split(",").length),
    [16, 16, 8],
  );
  const long = sent(["done a", "done b", "done c", "done d"], "é".repeat(400));
  t.deepEqual(
    long.map((message) => message.split(",").length),
    [2, 2],
  );
  t.is(sent(["done a", "done b"], "x".repeat(3_000)).length, 2);
});
