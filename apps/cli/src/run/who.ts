import { hostname, userInfo } from "node:os";

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? "unknown"}`; // it has no entry in the list of users
  }
}

/** Who runs this command, as others are told: `ana@ui01`. */
export function whoRunsThis(): string {
  return `${userName()}@${hostname()}`;
}
