import test from "ava";
import { setTimeout as wait } from "node:timers/promises";
import { startGrid } from "../schedule/_grid_test.ts";
import { changeConfiguration } from "./change_configuration.ts";
import { withVo } from "./configuration.ts";
import { watchConfiguration } from "./configuration_watch.ts";

async function until(isSo: () => boolean): Promise<void> {
  for (const late = AbortSignal.timeout(60_000); !isSo(); await wait(20)) late.throwIfAborted();
}

for (const { awayMs, alarms } of [
  { awayMs: 60_000, alarms: 0 },
  { awayMs: 100, alarms: 1 },
]) {
  test(`a broker that is away is noted once, and is ${alarms === 0 ? "no alarm while it may be restarting" : "one alarm once that lasts"}`, async (t) => {
    await using grid = await startGrid();
    const told = { alarms: [] as string[], notes: [] as string[] };
    const observer = {
      alarm: (text: string) => void told.alarms.push(text),
      note: (text: string) => void told.notes.push(text),
      step() {},
    };
    await using watch = await watchConfiguration({ ...grid.broker, observer }, { awayMs });
    await grid.killServer();
    const failures = [watch.refresh(), watch.refresh(), watch.refresh()].map((asked) => t.throwsAsync(asked));
    await Promise.all(failures);
    if (alarms > 0) await until(() => told.alarms.length === alarms);
    else await until(() => told.notes.length > 0);
    await grid.restartServer();
    await changeConfiguration(grid.broker, (now) => withVo(now, "back"));
    await until(() => watch.current.vos["back"] !== undefined);
    t.is(told.alarms.length, alarms, told.alarms.join());
    t.is(told.notes.filter((note) => note.startsWith("Cannot read the configuration")).length, 1);
    if (alarms > 0)
      t.regex(told.alarms[0] ?? "", /^Cannot refresh the configuration for 0\.1 s; the last one stays in force$/);
  });
}
