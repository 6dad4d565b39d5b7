import { accessSync, constants, lstatSync, mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Gives npm, pnpm and turbo a home of their own where the user's does not exist or cannot be written to, as is usual for the user of
 * a service. It lies in the system's temporary folder, and is trusted only if nobody else can write there.
 */
export function settleHome() {
  if (isWritable(homedir())) return;
  const uid = process.getuid?.();
  const home = join(tmpdir(), `muster-home-${uid}`);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const found = lstatSync(home);
  if (found.uid !== uid || (found.mode & 0o022) !== 0) {
    throw new Error(`Cannot use ${home} as a home: others may write to it; set HOME to a folder of yours`);
  }
  process.env.HOME = home;
  process.env.npm_config_cache = join(home, ".npm");
  process.env.npm_config_userconfig = join(home, ".npmrc");
  for (const name of ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"]) delete process.env[name];
}
