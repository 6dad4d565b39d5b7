/** The row of ended pilots in a small form: it fails on a growth far above its target, never on a time. */
import test from "ava";
import { openBench } from "../run/bench.ts";
import { QUICK } from "../run/sizes.ts";
import { openServers } from "../servers/servers.ts";
import { sizeName, timeBeside } from "./ended_pilots.ts";

/** A noisy machine may cost so much of a target. A scan of the larger table costs 20 times the smaller one's. */
const SLACK = 6;
const [FEW, MANY] = [2_000, 40_000];

test("what is asked again and again costs about the same beside 40,000 ended pilots as beside 2,000", async (t) => {
  await using servers = await openServers(() => {});
  const ground = { servers, durability: "lazy", flags: () => [], progress: () => {} } as const;
  await using bench = openBench({ sizes: { ...QUICK, rounds: 3 }, ...ground });
  const asked = await timeBeside(bench, [FEW, MANY], 10);
  for (const [what, rounds] of Object.entries(asked)) {
    const few = rounds.get(sizeName(FEW)) ?? [];
    const many = rounds.get(sizeName(MANY)) ?? [];
    const growth = Math.min(...many.map((tookMs, round) => tookMs / (few[round] ?? Number.NaN)));
    t.log(what, growth);
    t.true(growth < 1.2 * SLACK, what);
  }
});
