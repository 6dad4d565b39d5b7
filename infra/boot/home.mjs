import { accessSync, constants, lstatSync, mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Variables of the folders that usually lie in a home, and that may be set without one. */
const XDG_FOLDERS = ["XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"];

/**
 * Whether we may create files in the folder.
 * @param {string} folder
 */
export function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Returns the user's home; undefined where neither HOME nor the system's list of users names one. */
function findHome() {
  try {
    return homedir();
  } catch {
    return undefined; // Node.js throws for a user id without a name
  }
}

function makeHome(home) {
  try {
    mkdirSync(home, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Error(`Cannot make a home in ${home}: ${cause.message}; set HOME to a folder that you may write to`, {
      cause,
    });
  }
}

/**
 * Gives npm, pnpm and turbo another home where the user's does not exist or cannot be written. That is usual for the user of a service.
 *
 * The other home lies in the system's temporary folder. It is trusted only if no other user can write there.
 */
export function settleHome() {
  const own = findHome();
  if (own !== undefined && isWritable(own)) return;
  const uid = process.getuid?.();
  const home = join(tmpdir(), `muster-home-${uid}`);
  makeHome(home);
  const found = lstatSync(home);
  if (found.uid !== uid || (found.mode & 0o022) !== 0) {
    throw new Error(`Cannot use ${home} as a home: others may write to it; set HOME to a folder of yours`);
  }
  process.env.HOME = home;
  process.env.npm_config_cache = join(home, ".npm");
  process.env.npm_config_userconfig = join(home, ".npmrc");
  for (const name of XDG_FOLDERS) {
    const folder = process.env[name];
    if (folder !== undefined && !isWritable(folder)) delete process.env[name];
  }
}
