import type { GroupState } from "@muster/tasks/operate";

/** What a group waits for, or how it ended, in a word or two. */
export function stateOf({ closed, callback }: GroupState): string {
  if (callback !== null) return `called: ${callback.outcome}`;
  if (closed === null) return "open";
  return closed.why === "all ended" ? "calling" : `calling: ${closed.why}`;
}
