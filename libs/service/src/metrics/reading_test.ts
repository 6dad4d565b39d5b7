import test from "ava";
import { createMeters } from "./meters.ts";

const metric = { name: "site_slots", help: "Slots of a site.", labels: ["site"] };

test("a reading shows what the last look has found, and nothing once that is too old", (t) => {
  const meters = createMeters();
  const reading = meters.reading(metric);
  const lines = () => meters.text().split("\n").slice(2, -1);
  t.deepEqual(lines(), []);
  reading.show([{ labels: ["cern"], value: 3 }], 60_000);
  reading.show([{ labels: ['d"esy'], value: 4 }], 60_000);
  t.deepEqual(lines(), ['site_slots{site="d\\"esy"} 4']);
  reading.show([{ labels: ["cern"], value: 3 }], -1);
  t.deepEqual(lines(), []);
});

test("a reading of too many values shows the largest, and the sum of the others", (t) => {
  const meters = createMeters();
  const values = Array.from({ length: 3_002 }, (_, n) => ({ labels: [`s${n}`], value: n }));
  meters.reading(metric).show(values, 60_000);
  const lines = meters.text().split("\n").slice(2, -1);
  t.is(lines.length, 3_000);
  t.is(lines[0], 'site_slots{site="s3001"} 3001');
  t.is(lines.at(-1), 'site_slots{site="other"} 3');
});
