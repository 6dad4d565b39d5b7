/** The row in a small form: it fails on a ratio far below its target, never on a time, for other tests run beside it. */
import test from "ava";
import { openBench } from "../run/bench.ts";
import { QUICK } from "../run/sizes.ts";
import { openServers } from "../servers/servers.ts";
import { pilotsOverNetwork } from "./network.ts";

/** What a noisy machine may cost of the target. */
const SLACK = 6;

test("pilots over a network keep their distance to bare transactions, and none is submitted beside another of its CE", async (t) => {
  await using servers = await openServers(() => {});
  const ground = { servers, durability: "lazy", flags: () => [], progress: () => {} } as const;
  await using bench = openBench({ sizes: { ...QUICK, pilots: 80, rounds: 1 }, ...ground });
  // The row itself ends where pilots are missing, or where two were submitted to a CE at the same time.
  const [report] = await pilotsOverNetwork(bench);
  const [target] = report?.targets ?? [];
  t.log(target);
  t.true((target?.ratio ?? 0) > 0.4 / SLACK);
});
