import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { findFreePort } from "@muster/local";
import { startTestServer } from "@muster/logic/testing";
import { startTestNats } from "../support/nats.ts";
import { until } from "../support/until.ts";
import { environmentOf, lastStep, type Stage } from "./dockerfile.ts";
import { type Contained, type ContainerForm, runContained, startContained } from "./run_contained.ts";

/** The apps of the image. */
export const APPS = ["scheduler", "submit-worker", "check-worker", "report-worker", "worker", "dashboard"];

/** Longest time until an app is ready, or has ended, ms. The machine may be slow. */
const WITHIN_MS = 60_000;

function require(holds: boolean, problem: () => string): void {
  if (!holds) throw new Error(problem());
}

/** How a runtime would start the image, with a root that cannot be written. */
export function formOf(image: Stage, root: string): ContainerForm {
  const mounted = `${root}.read-only`;
  mkdirSync(mounted, { recursive: true });
  execFileSync("mount", ["--bind", root, mounted]);
  execFileSync("mount", ["-o", "remount,bind,ro", mounted]);
  const [uid = 0, gid = 0] = (lastStep(image, "USER")?.text ?? "").split(":").map(Number);
  return { root: mounted, workdir: lastStep(image, "WORKDIR")?.text ?? "/", env: environmentOf(image), uid, gid };
}

/** Throws unless the process runs as the image says, and has started no other process. */
async function requireConfined({ pid }: Contained, { uid }: ContainerForm): Promise<void> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  const ids = /^Uid:\t(\d+)\t(\d+)/m.exec(status);
  require(Number(ids?.[1]) === uid && Number(ids?.[2]) === uid, () => `it runs as user ${ids?.[1]}, not as ${uid}`);
  require(/^NSpid:.*\t1$/m.test(status), () => "it is not process 1");
  require(/^CapEff:\t0+$/m.test(status), () => `it has capabilities: ${/^CapEff:.*$/m.exec(status)?.[0]}`);
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  require(children === "", () => `it has started processes ${children}, which nobody reaps`);
}

/** The image that is tried. */
export interface Tried {
  readonly image: Stage;
  readonly form: ContainerForm;
  say(line: string): void;
}

async function tryApp(
  app: string,
  { image, form, say }: Tried,
  servers: Readonly<Record<string, string>>,
): Promise<void> {
  const [port, dashboardPort] = [await findFreePort(), await findFreePort()];
  const env = { ...servers, HTTP_PORT: String(port), MUSTER_DASHBOARD_PORT: String(dashboardPort) };
  const entry = lastStep(image, "ENTRYPOINT")?.strings ?? [];
  const begun = performance.now();
  await using process = await startContained(form, [...entry, app], env);
  const ready = until(
    async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
      return answer?.status === 200 ? true : undefined;
    },
    `${app} to be ready: ${process.said()}`,
    WITHIN_MS,
  );
  const early = process.exited.then((code) => {
    throw new Error(`Cannot try ${app}: it ended with ${code} before it was ready: ${process.said()}`);
  });
  await Promise.race([ready, early]);
  early.catch(() => undefined); // its end is expected from now on
  const readyMs = Math.round(performance.now() - begun);
  await requireConfined(process, form);
  const check = lastStep(image, "HEALTHCHECK")?.strings ?? [];
  const healthy = await runContained(form, check, env);
  require(healthy.code === 0, () => `its HEALTHCHECK ends with ${healthy.code}: ${healthy.said}`);
  execFileSync("kill", ["-TERM", String(process.pid)]);
  const code = await process.exited;
  require(code === 0, () => `it ended with ${code} on SIGTERM: ${process.said()}`);
  require(!/EROFS|EACCES|ENOENT/.test(process.said()), () => `it missed a file: ${process.said()}`);
  const sick = await runContained(form, check, env);
  require(sick.code === 1, () => `its HEALTHCHECK ends with ${sick.code} after its end`);
  say(`ok ${app}: ready after ${readyMs} ms, HEALTHCHECK 0, SIGTERM ended it with 0`);
}

/** Starts each app from the image against servers of a test, until it is ready, and ends it. Throws at the first that fails. */
export async function tryApps(tried: Tried): Promise<void> {
  await using postgres = await startTestServer();
  await using nats = await startTestNats();
  const servers = { NATS_URL: nats.url, DATABASE_URL: await postgres.createEmptyUrl(), MUSTER_DRAIN_SECONDS: "2" };
  const entry = lastStep(tried.image, "ENTRYPOINT")?.strings ?? [];
  const migrated = await runContained(tried.form, [...entry, "muster", "migrate"], servers);
  require(migrated.code === 0, () => `muster migrate ended with ${migrated.code}: ${migrated.said}`);
  tried.say(`ok muster migrate: ${migrated.said.trim()}`);
  for (const app of APPS) await tryApp(app, tried, servers);
}
