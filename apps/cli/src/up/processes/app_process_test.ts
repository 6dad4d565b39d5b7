import test from "ava";
import { startAppProcess } from "./app_process.ts";

/** Starts a script, and answers it once it has written its first line. */
async function startScript(script: string, impatience = new AbortController().signal) {
  const lines: string[] = [];
  const { promise: spoken, resolve: speak } = Promise.withResolvers<void>();
  const { promise: drained, resolve: drain } = Promise.withResolvers<void>();
  const onLine = (line: string) => {
    lines.push(line);
    speak();
    if (line === "draining") drain();
  };
  const args = ["--input-type=module", "--eval", script];
  const app = await startAppProcess({ args, env: process.env, onLine, impatience });
  await spoken;
  return { app, lines, drained };
}

const FOREVER = "setInterval(() => {}, 1_000);";

test("an app is told to stop by SIGTERM, and has ended when stop resolves", async (t) => {
  const script = `process.on("SIGTERM", () => { console.log("draining"); process.exit(0); }); console.log("up"); ${FOREVER}`;
  const { app, lines, drained } = await startScript(script);
  await app.stop();
  t.is(await app.ended, "exit code 0");
  await drained; // what it wrote last may be read after its end
  t.deepEqual(lines, ["up", "draining"]);
});

test("an app that ignores every demand is killed within four seconds", async (t) => {
  const { app } = await startScript(`process.on("SIGTERM", () => {}); console.log("up"); ${FOREVER}`);
  const askedAt = performance.now();
  await app.stop();
  t.is(await app.ended, "SIGKILL");
  t.true(performance.now() - askedAt < 40_000); // four seconds on a machine of its own
});

test("impatience kills an app at once", async (t) => {
  const impatience = new AbortController();
  const { app, lines } = await startScript(
    `process.on("SIGTERM", () => console.log("asked")); console.log("up"); ${FOREVER}`,
    impatience.signal,
  );
  const stopped = app.stop();
  impatience.abort();
  await stopped;
  t.is(await app.ended, "SIGKILL");
  t.true(lines.filter((line) => line === "asked").length < 2, "it was not asked again after two seconds");
});

test("an app knows by its channel that it is supervised", async (t) => {
  const { app, lines } = await startScript("console.log(process.connected, process.env.MUSTER_PARENT)");
  await app.ended;
  t.deepEqual(lines, [`true ${process.pid}`]);
});

test("stopping an app that has ended already is no error", async (t) => {
  const { app } = await startScript('console.log("up")');
  t.is(await app.ended, "exit code 0");
  await app.stop();
  t.pass();
});
