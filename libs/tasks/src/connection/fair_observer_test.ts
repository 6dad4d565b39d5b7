import { TimeoutError } from "@nats-io/nats-core";
import test from "ava";
import { fairObserver } from "./fair_observer.ts";
import { watchLoop } from "./loop_watch.ts";
import { silentObserver } from "./observer.ts";

const nothing = new Int32Array(new SharedArrayBuffer(4));

test("an answer that is missing is put down to this process where it stood still, and to nobody else's fault", (t) => {
  const notes: string[] = [];
  const observer = { ...silentObserver, note: (message: string) => void notes.push(message) };
  const loop = watchLoop({ closed: () => new Promise(() => {}) }, observer);
  const fair = fairObserver(observer, loop);
  const cause = new TimeoutError();
  const startedAtMs = performance.now();
  t.is(loop.wentOnAtMs(), Number.NEGATIVE_INFINITY);
  fair.note("Cannot ask yet", { cause });
  Atomics.wait(nothing, 0, 0, 700);
  fair.note("Cannot ask yet", { cause });
  fair.note("Cannot be done", { cause: new Error("refused") });
  const [before, after, refused] = notes;
  t.deepEqual([before, refused], ["Cannot ask yet", "Cannot be done"]);
  t.regex(after ?? "", /^Cannot ask yet: this process itself stood still for \d\.\d s and read no answers$/);
  t.true(loop.wentOnAtMs() > startedAtMs + 700);
  notes.length = 0;
  for (const ms of [2_200, 2_200]) {
    Atomics.wait(nothing, 0, 0, ms);
    loop.wentOnAtMs();
  }
  t.is(notes.length, 1, "once a minute");
});
