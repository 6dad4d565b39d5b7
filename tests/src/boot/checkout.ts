import { spawn } from "node:child_process";
import { access, chmod, chown, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { findOutside } from "../docs/clean_machine.ts";
import { copyWorkspace } from "../support/workspace_copy.ts";

/** How a command of the boot ended, and what it said. */
export interface Said {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** As whom a command runs; default: as the test does. */
export interface Whose {
  readonly uid?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** A checkout that has been installed, beside a PATH on which Node.js and an npm that refuses are all that there is. */
export interface Checkout extends AsyncDisposable {
  readonly root: string;
  /** For programs that a test adds to PATH. */
  readonly bin: string;
  /** Runs `infra/boot/boot.mjs` with these arguments, no HOME and nothing else in its environment. */
  boot(args: readonly string[], options?: Whose): Promise<Said>;
  /** Runs `npx muster` with these arguments in the checkout, without a network. Undefined where this machine has no npx. */
  npxMuster(args: readonly string[], options?: Whose): Promise<Said | undefined>;
  /** Whether anybody has asked npm for anything. */
  npmWasAsked(): Promise<boolean>;
}

async function note(root: string): Promise<void> {
  const module = pathToFileURL(join(root, "infra", "boot", "install.mjs")).href;
  const { noteInstalled } = await import(module);
  noteInstalled(root);
}

/** Makes one, which goes when it is disposed of. */
export async function makeCheckout(): Promise<Checkout> {
  await using made = new AsyncDisposableStack();
  const { root } = made.use(await copyWorkspace());
  const outside = await mkdtemp(join(tmpdir(), "muster-path-"));
  made.defer(() => rm(outside, { recursive: true, force: true }));
  for (const folder of [root, outside]) await chmod(folder, 0o755);
  // As pnpm links it; the copy's would run the workspace it was copied from.
  const program = join(root, "apps", "cli", "bin", "muster.mjs");
  await writeFile(join(root, "node_modules", ".bin", "muster"), `#!/bin/sh\nexec node ${program} "$@"\n`, {
    mode: 0o755,
  });
  await note(root);
  const bin = join(outside, "bin");
  const asked = join(outside, "asked", "npm");
  await mkdir(bin);
  await mkdir(join(outside, "asked"));
  await chmod(join(outside, "asked"), 0o777);
  await symlink(process.execPath, join(bin, "node"));
  await writeFile(join(bin, "npm"), `#!/bin/sh\necho "$@" >> ${asked}\nexit 1\n`, { mode: 0o755 });

  async function run(file: string, args: readonly string[], { uid, env }: Whose): Promise<Said> {
    const user = uid === undefined ? {} : { uid, gid: uid };
    const child = spawn(process.execPath, [file, ...args], {
      cwd: root,
      env: { PATH: `${bin}:/usr/bin:/bin`, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      ...user,
    });
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    const [code, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)]);
    return { code, stdout, stderr };
  }
  const boot = (args: readonly string[], options: Whose = {}) =>
    run(join(root, "infra", "boot", "boot.mjs"), args, options);
  async function npxMuster(args: readonly string[], { uid, env }: Whose = {}): Promise<Said | undefined> {
    const npx = await findOutside("npx");
    if (npx === undefined) return undefined;
    const home = await mkdtemp(join(outside, "home-"));
    if (uid !== undefined) await chown(home, uid, uid);
    const whose = { ...(uid === undefined ? {} : { uid }), env: { HOME: home, npm_config_offline: "true", ...env } };
    return await run(npx, ["muster", ...args], whose);
  }
  const npmWasAsked = async () =>
    await access(asked).then(
      () => true,
      () => false, // the answer
    );
  const kept = made.move();
  return { root, bin, boot, npxMuster, npmWasAsked, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** An id that no machine has a user's name for. */
const NAMELESS = 61_712;

/** The id of a user without a name. Undefined where we may not become another user, or where others may not read the packages. */
export async function findStranger(): Promise<number | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const user = { uid: NAMELESS, gid: NAMELESS };
  const reads = spawn("/bin/sh", ["-c", 'test -x "$0"', process.execPath], { stdio: "ignore", ...user });
  return await new Promise((resolve, reject) => {
    reads.once("error", reject);
    reads.once("close", (code) => resolve(code === 0 ? NAMELESS : undefined));
  });
}
