import { findFreePort } from "@muster/local";
import { readSettings } from "@muster/service";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { UpOptions } from "../options/up_options.ts";

/** Port of the dashboard where nobody chooses one. */
export const DASHBOARD_PORT = 7450;
/** Name of the file in the data folder that keeps the token from one start to the next. */
const TOKEN_FILE = "dashboard-token";

/** Where the dashboard is, and what lets somebody act there. */
export interface DashboardPlace {
  readonly port: number;
  readonly url: string;
  readonly token: string;
}

/** The token of the data folder; a new one where there is none that can be used. Only the folder's user may read it. */
async function keptToken(dataDir: string): Promise<string> {
  const file = join(dataDir, TOKEN_FILE);
  const known = await readFile(file, "utf8").catch(() => ""); // the first start has none
  if (/^[\x21-\x7e]{16,256}$/.test(known.trim())) return known.trim();
  const token = randomBytes(15).toString("base64url");
  await writeFile(file, `${token}\n`, { mode: 0o600 });
  return token;
}

/** Chooses port and token of the dashboard. With `--http-port 0` and no port of its own it takes any free one. */
export async function placeDashboard(
  { dashboardPort, httpPort }: Pick<UpOptions, "dashboardPort" | "httpPort">,
  dataDir: string,
): Promise<DashboardPlace> {
  const wanted = dashboardPort ?? (httpPort === 0 ? 0 : DASHBOARD_PORT);
  const port = wanted === 0 ? await findFreePort() : wanted;
  const token = readSettings().token ?? (await keptToken(dataDir));
  return { port, url: `http://127.0.0.1:${port}`, token };
}
