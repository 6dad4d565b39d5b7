import type { ChildGroup, EndedChild } from "../definition/group.ts";

/** A group whose callback a test runs. */
export interface PlayedGroup {
  /** How the children ended. What is left out of one is as of a child that is done. */
  readonly children: readonly Partial<EndedChild>[];
  /** Default `all ended`. */
  readonly closed?: ChildGroup["closed"];
}

/** The group as a callback's run sees it. */
export function playGroup({ children, closed = "all ended" }: PlayedGroup): ChildGroup {
  const id = "test-group";
  const all = children.map((child, index): EndedChild => {
    const key = child.key ?? String(index);
    const rest = { outcome: "done" as const, result: null, error: null };
    return { taskId: `${id}/${key}`, task: "ChildTask", vo: "_", ...rest, ...child, key };
  });
  return {
    ...{ id, total: all.length, closed },
    async *children() {
      yield* all;
    },
    child: async (key) => all.find((child) => child.key === key),
  };
}
