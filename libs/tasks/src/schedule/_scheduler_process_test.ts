import { every } from "../calendar/schedule.ts";
import { openBroker } from "../lease/open_broker.ts";
import { connectNats } from "../connection/connection.ts";
import { recurring } from "./_grid_test.ts";
import { startScheduler } from "./start_scheduler.ts";

/**
 * A scheduler in a process of its own, for tests that kill or freeze it: `node THIS_FILE <url> <leader's TTL, ms> [<task> ...]`. A task named
 * `All...` catches up on all missed occurrences, and one named `Overlap...` lets them overlap.
 */
const [url = "", ttlMs, ...names] = process.argv.slice(2);
const policies = (name: string) => ({
  missed: name.startsWith("All") ? ("all" as const) : ("last" as const),
  overlap: name.startsWith("Overlap") ? ("allow" as const) : ("skip" as const),
});
const broker = await openBroker(await connectNats({ url, name: "child" }));
const scheduler = await startScheduler({
  broker,
  nats: { url },
  app: "child",
  tasks: (names.length > 0 ? names : ["Tick"]).map((name) =>
    recurring({ name, schedule: every({ seconds: 1 }), ...policies(name) }),
  ),
  leaderTtlMs: Number(ttlMs),
  onRole: (role) => console.log(role),
  onLead: (tasks) => console.log(`leads ${tasks.join(" ")}`),
});
await scheduler.ended;
