import { findFreePort } from "@muster/local";
import test from "ava";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Display } from "../display/display.ts";
import { NotReadyError } from "./readiness.ts";
import { placeDashboard } from "./dashboard_place.ts";
import { startApps } from "./start_apps.ts";

const never = new AbortController().signal;

test("apps that do not get ready are named, and are no reason to take everything down but in a run for a set time", async (t) => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "muster-start-apps-"));
  const told: string[] = [];
  const display: Display = {
    progress: (line) => void told.push(line),
    appLine() {},
    happened() {},
    ready() {},
    show() {},
    close() {},
  };
  const nobody = `127.0.0.1:${await findFreePort()}`;
  const options = { dataDir: folder.path, natsPort: 0, postgresPort: 0, httpPort: 0 };
  const context = {
    dashboard: await placeDashboard({ httpPort: 0 }, folder.path),
    ...{ display, signal: never, impatience: AbortSignal.abort(), readyWithinMs: 200 },
    ...{ environment: { NATS_URL: `nats://${nobody}` }, databaseUrl: `postgres://${nobody}/muster` },
  };
  const apps = await startApps({ ...context, options });
  await apps[Symbol.asyncDispose]();
  const notReady = told.filter((line) => /^Cannot get [a-z-]+ ready within .*; all else goes on$/.test(line));
  t.is(notReady.length, 5, told.join("\n"));
  await t.throwsAsync(startApps({ ...context, options: { ...options, for: 5 } }), { instanceOf: NotReadyError });
});
