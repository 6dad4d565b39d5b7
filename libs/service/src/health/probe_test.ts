import test from "ava";
import { setTimeout as pause } from "node:timers/promises";
import { runProbe } from "./probe.ts";

/** Runs a probe until it has reported `count` times. */
async function reports(count: number, ask: (signal: AbortSignal) => Promise<unknown>): Promise<(string | undefined)[]> {
  const heard: (string | undefined)[] = [];
  using _open = setInterval(() => {}, 1_000); // stands for the connection that a real question keeps open
  const ended = new AbortController();
  function report(reason: string | undefined): void {
    heard.push(reason);
    if (heard.length === count) ended.abort();
  }
  await runProbe({ ask, report, signal: ended.signal, everyMs: 1, waitMs: 50 });
  return heard;
}

test("a probe reports why something does not work, and that it works again", async (t) => {
  let asked = 0;
  const heard = await reports(3, async () => {
    if (asked++ < 2) throw new Error("connection refused");
  });
  t.deepEqual(heard, ["connection refused", "connection refused", undefined]);
});

test("no answer in time is a reason, also from what ignores its signal", async (t) => {
  t.deepEqual(await reports(1, () => new Promise(() => {})), ["no answer within 0.05 s"]);
});

test("the question's signal aborts when its time is over", async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const heard = reports(1, (signal) => {
    signal.addEventListener("abort", () => resolve());
    return promise;
  });
  await promise;
  t.is((await heard).length, 1);
});

test.serial(
  "an answer that this process read late, since it stood still, is no reason: it is asked again at once",
  async (t) => {
    let asked = 0;
    const heard = await reports(1, async () => {
      if (asked++ > 0) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
      await pause(50); // the answer is there, and others are read before it
    });
    t.deepEqual(heard, [undefined]);
    t.is(asked, 2);
  },
);
