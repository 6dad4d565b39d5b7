import { startTestNatsServer } from "@muster/local";
import test from "ava";
import { connectNats } from "../connection/connection.ts";
import { openOutbox } from "../connection/outbox.ts";
import { atLeastOnceFactory } from "../definition/task.ts";
import { HandBacks } from "./hand_backs.ts";

const SiteTask = atLeastOnceFactory()({ name: "SiteTask", per: "vo", execute() {} });

test("who waits for an announcement waits for the one under way too, since its own task may be in there", async (t) => {
  await using server = await startTestNatsServer();
  const nc = await connectNats({ url: server.url, name: "hand-backs test" });
  t.teardown(() => nc.close());
  const [flushing, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow: typeof nc = Object.assign(Object.create(nc), {
    async flush() {
      flushing.resolve();
      await goOn.promise;
    },
  });
  const handBacks = new HandBacks({ nc: slow, outbox: openOutbox(nc) });
  const told: string[] = [];
  const source = {
    announceHandBack: (tasks: Iterable<{ vo: string }>) => void told.push(...[...tasks].map((task) => task.vo)),
  };
  handBacks.add({ definition: SiteTask, vo: "lhcb" });
  const first = handBacks.announce(source);
  await flushing.promise;
  // The end of a drain: nothing is left to announce, and the task is not told of yet.
  const drained = handBacks.announce(source).then(() => [...told]);
  goOn.resolve();
  t.deepEqual(await drained, ["lhcb"]);
  await first;
});
