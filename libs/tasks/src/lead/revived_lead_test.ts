import test from "ava";
import { joinGrid } from "../locks/_grid_test.ts";
import { startRevived, storedHolder } from "../lease/_revive_test.ts";
import { every } from "../calendar/schedule.ts";
import { periodic } from "../schedule/_grid_test.ts";
import { findLeaders, sessionKey, writeLeaders } from "./leaders.ts";
import { startScheduler } from "../schedule/start_scheduler.ts";

const Tick = periodic("Tick", every({ seconds: 1 }));

test("the session of a scheduler that ended before the server was killed leads nothing, though its lock is there again", async (t) => {
  const session = sessionKey("ended", 1);
  await using server = await startRevived([session]);
  await using party = await joinGrid(server.url);
  const { broker } = party;
  const leaders = [{ worker: "ended", session, holder: "gone", leads: [Tick.name] }];
  await writeLeaders(broker, { revision: 0, leaders });
  t.is(await storedHolder(party, session), "gone", "the server has it again");
  t.deepEqual([...(await findLeaders(broker)).leaders], []);

  const { promise: leads, resolve } = Promise.withResolvers<void>();
  await using _scheduler = await startScheduler({
    ...{ broker, nats: { url: server.url }, app: "next", tasks: [Tick], leaderTtlMs: 2_000 },
    onLead: (now) => now.includes(Tick.name) && resolve(),
  });
  await leads;
});
