import test from "ava";
import { keepIncident, listIncidents } from "./incidents.ts";
import { startGrid } from "../schedule/_grid_test.ts";

const kept = async (broker: Parameters<typeof listIncidents>[0]) =>
  (await listIncidents(broker)).map(({ text, times }) => `${text} ${times}`);

test("another incident of the same kind about the same stream replaces none, and the same one counts on", async (t) => {
  await using grid = await startGrid();
  const about = { kind: "vanished", about: "LATER" };
  await keepIncident(grid.broker, { ...about, text: "8 vanished", isLoss: true });
  await keepIncident(grid.broker, { ...about, text: "1 vanished and was stored again" });
  await keepIncident(grid.broker, { ...about, text: "3 vanished", isLoss: true });
  await keepIncident(grid.broker, { ...about, text: "1 vanished and was stored again" });
  t.deepEqual(await kept(grid.broker), ["3 vanished 1", "8 vanished 1", "1 vanished and was stored again 2"]);
});

test("of more incidents than are kept the oldest that lost no work go first, and one that lost work goes for none that lost none", async (t) => {
  await using grid = await startGrid();
  const keep = (text: string, isLoss: boolean) =>
    keepIncident(grid.broker, { kind: "settings", about: "TASKS", text, isLoss }, { most: 3 });
  await keep("loss 0", true);
  for (let count = 0; count < 4; count++) await keep(`harmless ${count}`, false);
  t.deepEqual(await kept(grid.broker), ["loss 0 1", "harmless 3 1", "harmless 2 1"]);
  for (let count = 1; count < 4; count++) await keep(`loss ${count}`, true);
  await keep("harmless at the end", false);
  t.deepEqual(await kept(grid.broker), ["loss 3 1", "loss 2 1", "loss 1 1"]);
});
