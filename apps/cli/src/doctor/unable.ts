// Tested by tests/src/apps/unable_test.ts
import { escapeControls } from "@muster/service";
import type { WorkerRecord } from "@muster/tasks/operate";
import { bad, type Finding } from "./finding.ts";

/** Reports what keeps running workers from taking tasks, as they told it in the last ten seconds. One line for each reason. */
export function judgeUnable(workers: readonly WorkerRecord[]): readonly Finding[] {
  const told = workers
    .filter(({ draining }) => draining !== true)
    .flatMap(({ name, problems = [] }) => problems.map((problem) => ({ name, problem })));
  return Array.from(
    Map.groupBy(told, ({ problem }) => problem),
    ([problem, of]) => {
      const others = of.length > 1 ? ` and ${of.length - 1} more` : "";
      return bad("workers", escapeControls(`${of[0]?.name}${others}: ${problem}`));
    },
  );
}
