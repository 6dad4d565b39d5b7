import { provisionNatsServer } from "@muster/local";
import { startTestServer } from "@muster/logic/testing";
import test from "ava";
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdtempDisposable, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findStranger, makeCheckout } from "./checkout.ts";

const execute = promisify(execFile);

test("whoever did not install runs everything from a read-only checkout, without a name, a home, npm or anything to get", async (t) => {
  await using checkout = await makeCheckout();
  await using data = await mkdtempDisposable(join(tmpdir(), "muster-data-"));
  await using postgres = await startTestServer();
  await copyFile(await provisionNatsServer(() => {}), join(checkout.bin, "nats-server"));
  await chmod(data.path, 0o777);
  await execute("chmod", ["-R", "a-w", checkout.root]);
  const uid = await findStranger();
  const ports = ["--nats-port", "0", "--postgres-port", "0", "--http-port", "0"];
  const env = { DATABASE_URL: await postgres.createEmptyUrl(), MUSTER_DATA_DIR: join(data.path, "muster") };
  const up = await checkout.boot(["start", "--for", "0", ...ports], uid === undefined ? { env } : { env, uid });
  await execute("chmod", ["-R", "u+w", checkout.root]);
  t.is(up.code, 0, up.stderr);
  t.is(up.stderr, "");
  t.true(Object.hasOwn(JSON.parse(up.stdout.trim().split("\n").at(-1) ?? ""), "pilots"));
  t.false(await checkout.npmWasAsked());
});

test("`npx muster` runs for whoever may not change the checkout, and before anything is installed for its owner", async (t) => {
  await using checkout = await makeCheckout();
  const uid = await findStranger();
  const strangers = await checkout.npxMuster(["--version"], uid === undefined ? {} : { uid });
  if (strangers === undefined) {
    t.log("this machine has no npx");
    t.pass();
    return;
  }
  t.is(strangers.code, 0, strangers.stderr);
  t.regex(strangers.stdout, /^\d+\.\d+\.\d+\n$/);
  const { stdout: version } = strangers;
  t.like(await checkout.npxMuster(["--version"]), { code: 0, stdout: version });
  t.false(await checkout.npmWasAsked());

  await rm(join(checkout.root, "node_modules"), { recursive: true });
  const fresh = await checkout.npxMuster(["--version"]);
  t.regex(fresh?.stderr ?? "", /^muster: installing the workspace, since it is not installed yet/m);
  t.true(await checkout.npmWasAsked());
});

test("packages that are there in part are noticed and named, and are not run", async (t) => {
  await using checkout = await makeCheckout();
  const whole = await checkout.boot(["muster", "--version"]);
  t.is(whole.code, 0, whole.stderr);
  t.false(await checkout.npmWasAsked());
  await rm(join(checkout.root, "libs", "tasks", "node_modules", "zod"));
  const part = await checkout.boot(["muster", "--version"]);
  t.is(part.code, 1);
  t.is(part.stdout, "");
  t.regex(part.stderr, /libs\/tasks\/node_modules has \d+ of \d+ entries/);
  t.true(await checkout.npmWasAsked());
});

test("where packages lack and may not be put, the error says what is missing, where, and who can mend it", async (t) => {
  await using checkout = await makeCheckout();
  const folder = join(checkout.root, "libs", "tasks", "node_modules");
  await rm(join(folder, "zod"));
  await execute("chmod", ["-R", "a-w", checkout.root]);
  const uid = await findStranger();
  const said = await checkout.boot(["muster", "--version"], uid === undefined ? {} : { uid });
  await execute("chmod", ["-R", "u+w", checkout.root]);
  t.is(said.code, 1);
  t.regex(said.stderr, /libs\/tasks\/node_modules has \d+ of \d+ entries/);
  if (uid !== undefined || process.getuid?.() !== 0) {
    t.regex(said.stderr, /^Cannot install the workspace in .* may not write to .*npx muster --version/);
    t.false(await checkout.npmWasAsked());
  }
});
