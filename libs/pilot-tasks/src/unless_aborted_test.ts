import test from "ava";
import { unlessAborted } from "./unless_aborted.ts";

test("the work's answer and its error come through", async (t) => {
  const { signal } = new AbortController();
  t.is(await unlessAborted(signal, async () => 7), 7);
  await t.throwsAsync(
    unlessAborted(signal, () => Promise.reject(new Error("mine"))),
    { message: "mine" },
  );
});

test("an abort ends the wait at once with its reason, whatever the work does later", async (t) => {
  const abort = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const waiting = unlessAborted(abort.signal, () => promise);
  const reason = new Error("lease lost");
  abort.abort(reason);
  t.is(await t.throwsAsync(waiting), reason);
  reject(new Error("too late for anybody"));
});

test("nothing begins once the signal has aborted", async (t) => {
  const reason = new Error("drained");
  const work = () => {
    t.fail("it began");
    return Promise.resolve();
  };
  t.is(await t.throwsAsync(unlessAborted(AbortSignal.abort(reason), work)), reason);
});
