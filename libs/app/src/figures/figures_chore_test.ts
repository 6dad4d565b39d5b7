import { createMeters } from "@muster/service";
import test from "ava";
import { figuresChore } from "./figures_chore.ts";

const metric = { name: "site_slots", help: "Slots of a site.", labels: ["site"] };
const { signal } = new AbortController();

test("figures are read once somebody has scraped, and not before", async (t) => {
  const meters = createMeters();
  let looks = 0;
  const source = {
    what: "the sites",
    metrics: [metric],
    read: async () => [{ metric: "site_slots", labels: ["cern"], value: ++looks }],
  };
  const chore = figuresChore(meters, [source]);
  await chore.run(signal);
  t.is(looks, 0);
  t.false(meters.text().includes("site_slots{"));
  await chore.run(signal);
  t.true(meters.text().includes('site_slots{site="cern"} 1\n'));
  await chore.run(signal);
  t.is(looks, 1, "a second look at once would show the same");
});

test("a look that fails keeps no other from being shown, and is reported", async (t) => {
  const meters = createMeters();
  const sources = [
    { what: "the broken", metrics: [{ ...metric, name: "broken" }], read: () => Promise.reject(new Error("away")) },
    {
      what: "the sites",
      metrics: [metric],
      read: async () => [{ metric: "site_slots", labels: ["cern"], value: 7 }],
    },
    {
      what: "the wrong",
      metrics: [{ ...metric, name: "wrong" }],
      read: async () => [{ metric: "site_slots", labels: ["cern"], value: 8 }],
    },
  ];
  const chore = figuresChore(meters, sources);
  meters.text();
  await t.throwsAsync(chore.run(signal), { message: "away" });
  t.true(meters.text().includes('site_slots{site="cern"} 7\n'));
});
