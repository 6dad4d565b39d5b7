import test from "ava";
import { logInto } from "../logging/log.ts";
import { insist } from "./insist.ts";

const log = logInto({ write() {} }, "test", "silent");

test("what fails at first is tried again until it works", async (t) => {
  let tries = 0;
  const lines: string[] = [];
  const answer = await insist({
    what: "connect",
    signal: new AbortController().signal,
    log: logInto({ write: (line) => void lines.push(line) }, "test", "info"),
    async work() {
      if (++tries < 3) throw new Error("connection refused");
      return tries;
    },
  });
  t.is(answer, 3);
  t.is(lines.length, 1, "the log does not flood");
  t.regex(lines[0] ?? "", /connection refused.*cannot connect yet; trying again/);
});

test("an error that waiting does not mend is thrown at once", async (t) => {
  const tooOld = new Error("too old");
  const work = () => Promise.reject(tooOld);
  const signal = new AbortController().signal;
  t.is(
    await t.throwsAsync(insist({ what: "connect", work, signal, log, isFinal: (error) => error === tooOld })),
    tooOld,
  );
});

test("an app that is told to stop does not wait on for its servers", async (t) => {
  const stop = new AbortController();
  const work = () => {
    setImmediate(() => stop.abort(new Error("told to stop")));
    return Promise.reject(new Error("connection refused"));
  };
  await t.throwsAsync(insist({ what: "connect", work, signal: stop.signal, log }), { message: "told to stop" });
});
