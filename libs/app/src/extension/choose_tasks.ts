import type { AnyTask } from "@muster/tasks";
import type { Composition } from "./compose_extensions.ts";
import { NoSuchTaskError } from "./extension_errors.ts";

/**
 * The tasks that the words of `wanted` name: `all`, names, or `size:small`, `size:medium` and `size:large`. Each task
 * once.
 *
 * Throws {@linkcode NoSuchTaskError} for a word that names none.
 */
export function chooseTasks({ tasks, names }: Composition, wanted: readonly string[]): readonly AnyTask[] {
  const chosen = new Set<AnyTask>();
  for (const word of wanted) {
    const meant = tasks.filter(({ name, size }) => word === "all" || word === name || word === `size:${size}`);
    if (meant.length === 0) {
      throw new NoSuchTaskError(
        word,
        tasks.map(({ name, size }) => `${name} (${size})`),
        names,
      );
    }
    for (const task of meant) chosen.add(task);
  }
  return [...chosen];
}
