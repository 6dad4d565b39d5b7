import test from "ava";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { ask, joinGrid, startTestBroker, take, wait } from "./_grid_test.ts";
import { site, WAITER_LOCKS } from "./_killed_waiter_test.ts";
import type { Turn } from "./turns.ts";

const server = await startTestBroker();
test.after.always(() => server[Symbol.asyncDispose]());

const [lock, permit, limit] = WAITER_LOCKS;
const letGo = (turns: readonly Turn[]) => Promise.all(turns.map((turn) => turn.release()));

async function nextRefusal(child: ChildProcess): Promise<string> {
  const [key] = await once(child, "message");
  return key;
}

test("I30, I44: what a killed process kept while it waited is free for others, and no permit stays away", async (t) => {
  await using there = await joinGrid(server.url, { worker: "there" });
  let full = await take(there, limit);
  const child = fork(new URL("./_killed_waiter_test.ts", import.meta.url), [server.url]);
  const exited = once(child, "exit");
  try {
    t.is(await nextRefusal(child), limit.key);
    const reader = await wait(there, site.shared("data"));
    const atLock = nextRefusal(child);
    await letGo(full);
    t.is(await atLock, lock.key, "it was overtaken");
    full = await take(there, limit);
    const atLimit = nextRefusal(child);
    await letGo(reader);
    t.is(await atLimit, limit.key);
    t.is(await ask(there, site.shared("data")), lock.key, "it keeps its lock");
    t.is(await ask(there, permit), permit.key, "and its permit");
  } finally {
    child.kill("SIGKILL");
    await exited;
  }
  await letGo(full);
  const all = await wait(there, ...WAITER_LOCKS);
  t.is(await ask(there, permit), permit.key, "there is no second permit");
  await letGo(all);
});
