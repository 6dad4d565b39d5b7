import { hostname, userInfo } from "node:os";

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.() ?? "unknown"}`; // this user id has no entry in the list of users
  }
}

/** The user who runs this command, as records show them: `ana@ui01`. */
export function whoRunsThis(): string {
  return `${userName()}@${hostname()}`;
}
