import type { TableSet, Transaction } from "@muster/ledger";
import type { AnyTask, Chore, DepsInput } from "@muster/tasks";
import type { ChoreContext, Extension, Offers } from "./extension.ts";
import { ExtensionsClashError } from "./extension_errors.ts";

/** Several extensions, joined as if they were one. */
export interface Composition {
  /** Their names, in order. */
  readonly names: readonly string[];
  readonly tasks: readonly AnyTask[];
  readonly tables: readonly TableSet[];
  /** Makes what a run's task may call, as the task's own extension does. */
  deps(offers: Offers): (input: DepsInput<Transaction>) => unknown;
  /** The chores of all extensions. Called once in each scheduler. */
  chores(context: ChoreContext): readonly Chore[];
}

function refuseTwice(
  what: ExtensionsClashError["what"],
  extensions: readonly Extension[],
  namesOf: (extension: Extension) => readonly string[],
): void {
  const owners = new Map<string, string>();
  for (const extension of extensions) {
    for (const name of namesOf(extension)) {
      const first = owners.get(name);
      if (first !== undefined) throw new ExtensionsClashError(what, name, [first, extension.name]);
      owners.set(name, extension.name);
    }
  }
}

/**
 * Joins extensions. Throws {@linkcode ExtensionsClashError} where two share their name, or the name of a task or a lock
 * type.
 */
export function composeExtensions(extensions: readonly Extension[]): Composition {
  refuseTwice("extension", extensions, ({ name }) => [name]);
  refuseTwice("task", extensions, ({ tasks }) => tasks.map(({ name }) => name));
  refuseTwice("lock type", extensions, ({ lockTypes }) => lockTypes.map(({ name }) => name));
  return {
    names: extensions.map(({ name }) => name),
    tasks: extensions.flatMap(({ tasks }) => tasks),
    tables: extensions.flatMap(({ tables }) => tables),
    deps(offers) {
      const makers = new Map(
        extensions.flatMap((extension) => {
          const make = extension.deps(offers);
          return extension.tasks.map(({ name }) => [name, make] as const);
        }),
      );
      return (input) => makers.get(input.task)?.(input);
    },
    chores: (context) => extensions.flatMap((extension) => extension.chores(context)),
  };
}
