import type { TableSet, Transaction } from "@muster/ledger";
import type { AnyTask, Chore, DepsInput, Middleware } from "@muster/tasks";
import type { FigureSource } from "../figures/figures.ts";
import type { ChoreContext, Extension, Offers } from "./extension.ts";
import { ExtensionsClashError } from "./extension_errors.ts";

/** Several extensions, joined as if they were one. */
export interface Composition {
  /** Their names, in order. */
  readonly names: readonly string[];
  readonly tasks: readonly AnyTask[];
  /** The names of all lock types, in order. */
  readonly lockTypes: readonly string[];
  readonly tables: readonly TableSet[];
  /**
   * URLs of the extensions' modules, in order. Undefined: that of one is not known, so that no thread can load them, and all tasks share the
   * event loop.
   */
  readonly modules: readonly string[] | undefined;
  /** Makes what a run's task may call, as the task's own extension does. */
  deps(offers: Offers): (input: DepsInput<Transaction>) => unknown;
  /** Those of all extensions, in order. The first is the outermost. */
  readonly middleware: readonly Middleware[];
  /** The chores of all extensions. Called once in each scheduler. */
  chores(context: ChoreContext): readonly Chore[];
  /** The figures of all extensions. Called once in each scheduler. */
  figures(context: Pick<ChoreContext, "broker" | "database">): readonly FigureSource[];
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

/** An extension of another copy of this library, which knew none, has no middleware. */
function middlewareOf(extensions: readonly Extension[]): readonly Middleware[] {
  return extensions.flatMap((extension: Partial<Extension>) => extension.middleware ?? []);
}

/** The modules, where each is known. */
function knownModules(modules: readonly (string | undefined)[]): readonly string[] | undefined {
  const known = modules.filter((module) => module !== undefined);
  return known.length === modules.length ? known : undefined;
}

/**
 * Joins extensions. `modules` are the URLs that they were loaded from; default: those that they name themselves. Throws
 * {@linkcode ExtensionsClashError} where two share their name, or the name of a task, a lock type or a middleware.
 */
export function composeExtensions(
  extensions: readonly Extension[],
  modules: readonly (string | undefined)[] = extensions.map(({ module }) => module),
): Composition {
  refuseTwice("extension", extensions, ({ name }) => [name]);
  refuseTwice("task", extensions, ({ tasks }) => tasks.map(({ name }) => name));
  refuseTwice("lock type", extensions, ({ lockTypes }) => lockTypes.map(({ name }) => name));
  refuseTwice("middleware", extensions, (extension) => middlewareOf([extension]).map(({ name }) => name));
  return {
    names: extensions.map(({ name }) => name),
    modules: knownModules(modules),
    middleware: middlewareOf(extensions),
    tasks: extensions.flatMap(({ tasks }) => tasks),
    lockTypes: extensions.flatMap(({ lockTypes }) => lockTypes.map(({ name }) => name)),
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
    // An extension of another copy of this library, which knew none, has no figures.
    figures: (context) => extensions.flatMap((extension: Partial<Extension>) => extension.figures?.(context) ?? []),
  };
}
