import test from "ava";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { asSharedMs, sharedNowMs } from "./clocks.ts";

const CLOCKS = new URL("./clocks.ts", import.meta.url).href;

test("a moment is the same on the shared clock as on this thread's own, and in another thread", async (t) => {
  const beforeMs = sharedNowMs();
  const hereMs = asSharedMs(performance.now());
  t.true(hereMs > beforeMs - 0.1 && hereMs < sharedNowMs() + 0.1);

  const script = `
    import { parentPort } from "node:worker_threads";
    import { asSharedMs } from ${JSON.stringify(CLOCKS)};
    parentPort.postMessage(asSharedMs(performance.now()));`;
  const thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), { execArgv: [] });
  const [thereMs] = await once(thread, "message");
  t.true(thereMs > hereMs && thereMs < sharedNowMs() + 0.1);
});
