import test from "ava";
import { defineLockType } from "../definition/lock_type.ts";
import { joinGrid, startTestBroker, take } from "./_grid_test.ts";
import type { LimitSource } from "./locks.ts";
import type { Waiter } from "./waiting_room.ts";

const server = await startTestBroker();
test.after.always(() => server[Symbol.asyncDispose]());

const site = defineLockType("lifted_site");

test("a task that is refused by a limit which is lifted during its try does not wait for that limit", async (t) => {
  let isLifted = false;
  const listeners: (() => void)[] = [];
  const limits: LimitSource = {
    limitOf: () => (isLifted ? undefined : { rate: { count: 1, perMs: 3_600_000 } }),
    onChange: (listener) => void listeners.push(listener),
  };
  await using here = await joinGrid(server.url, { worker: "here", limits });
  await using there = await joinGrid(server.url, { worker: "there", limits });
  const limit = site.rate("pace", "1/1h");
  for (const turn of await take(there, limit)) turn.begin?.();
  const resumed = Promise.withResolvers<void>();
  const waiter: Waiter = { resume: resumed.resolve };
  const request = { taskId: "waits", untilMs: Number.POSITIVE_INFINITY, waiter };
  const answer = here.locks.tryAcquireAll([limit], request);
  isLifted = true;
  for (const listener of listeners) listener();
  t.like(await answer, { kind: "held", by: limit.key });
  t.true(here.locks.wait(waiter));
  await resumed.promise;
  const again = await here.locks.tryAcquireAll([limit], request);
  t.is(again.kind, "taken");
});
