import type { PauseNote } from "@muster/tasks/operate";

/** `since <time> by <user>: <why>`, with the parts that are known. */
export function describePause({ pausedAt, by, reason }: PauseNote): string {
  const who = [pausedAt === undefined ? "" : `since ${pausedAt}`, by === undefined ? "" : `by ${by}`];
  const known = who.filter((part) => part !== "").join(" ") || "yes";
  return reason === undefined ? known : `${known}: ${reason}`;
}
