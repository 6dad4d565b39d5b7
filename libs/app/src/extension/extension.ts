import type { Database, TableSet, Transaction } from "@muster/ledger";
import type { FigureSource } from "../figures/figures.ts";
import type { AnyTask, Broker, Chore, DepsInput, LockType, Middleware, NoDeps, Run } from "@muster/tasks";

/** What an app gives an extension, so that it can build its dependencies. */
export interface Offers {
  /** Writes a line of the app's log. Inside a run it bears the run's task, id, VO, attempt and trace. */
  log(message: string, fields: object): void;
}

/** What an extension's chores may use. */
export interface ChoreContext {
  readonly broker: Broker;
  /** Knows the tables of the extension, beside the ledger's. */
  readonly database: Database;
  readonly log: ChoreLog;
  /** How long rows of what has ended are kept as history, ms: the setting `MUSTER_HISTORY_DAYS`. Infinite: for ever. */
  readonly historyMs: number;
  /**
   * Publishes children that the ledger lists, and whose worker died before it published them. Call it before you treat
   * a child as lost.
   */
  publishForgottenChildren(): Promise<void>;
}

/** The log of a chore: fields first, as pino has it. */
export interface ChoreLog {
  /** Writes a line that tells what was done. */
  info(fields: object, message: string): void;
  /** Writes a line that tells what somebody should look at. */
  warn(fields: object, message: string): void;
}

/**
 * What one package brings to Muster's apps, as one value. An app knows nothing else of the package. Made by
 * {@linkcode defineExtension}.
 */
export interface Extension {
  /** Unique among the extensions of an app. Shown in errors. */
  readonly name: string;
  /** Every task of the extension. */
  readonly tasks: readonly AnyTask[];
  /**
   * URL of the module that exports it as `extension`, its `import.meta.url`. Threads load it for medium and large tasks. The app knows it where
   * `MUSTER_EXTENSIONS` or the app's default names the module. Undefined: it is not known.
   */
  readonly module: string | undefined;
  /** The types of the locks that its tasks take, if the extension has made them itself. */
  readonly lockTypes: readonly LockType[];
  /**
   * Called once in each process. It returns a function that is called once in each run, and that makes what the run's
   * task may call.
   */
  deps(offers: Offers): (input: DepsInput<Transaction>) => unknown;
  /** Its tables, with their entities and migrations, in the order of migration. Empty where it has none. */
  readonly tables: readonly TableSet[];
  /**
   * Runs around each publish and each run of all tasks of an app, also those of other extensions. The first is the
   * outermost. Empty where it has none.
   */
  readonly middleware: readonly Middleware[];
  /** Its chores, which the leading scheduler runs. Called once in each scheduler. */
  chores(context: ChoreContext): readonly Chore[];
  /** Its figures in `/metrics`, which one scheduler shows. Called once in each scheduler. */
  figures(context: Pick<ChoreContext, "broker" | "database">): readonly FigureSource[];
}

/** What one task's `execute` takes as `deps`; `unknown` where it takes none. */
type DepsOfTask<Task> = Task extends { execute(run: Run<never, infer Deps>): unknown }
  ? [Deps] extends [never]
    ? unknown
    : undefined extends Deps
      ? unknown
      : NoDeps extends Deps
        ? unknown
        : Deps
  : unknown;

/** What all of `Tasks` take together. */
type DepsOf<Tasks extends readonly AnyTask[]> = {
  [At in keyof Tasks]: (deps: DepsOfTask<Tasks[At]>) => void;
}[number] extends (deps: infer Deps) => void
  ? Deps
  : never;

/**
 * What {@linkcode defineExtension} takes. A field that is left out is empty. `deps` may be left out where no task takes
 * any.
 */
export type ExtensionSpec<Tasks extends readonly AnyTask[]> = Partial<
  Pick<Extension, "lockTypes" | "tables" | "chores" | "figures" | "middleware" | "module">
> & {
  /** The name, of letters, digits, `-` and `_`. */
  readonly name: string;
  readonly tasks: Tasks;
} & (unknown extends DepsOf<Tasks>
    ? {
        /** Makes what a run's task may call; see {@linkcode Extension}. */ deps?(
          offers: Offers,
        ): (input: DepsInput<Transaction>) => unknown;
      }
    : {
        /** Makes what a run's task may call; see {@linkcode Extension}. */ deps(
          offers: Offers,
        ): (input: DepsInput<Transaction>) => DepsOf<Tasks>;
      });

/**
 * Key of a mark on each extension. By it a copy of this library knows an extension, also one that another copy has
 * made.
 */
const EXTENSION = Symbol.for("muster.extension");

/** Whether {@linkcode defineExtension} has made `value`. */
export function isExtension(value: unknown): value is Extension {
  return typeof value === "object" && value !== null && Reflect.get(value, EXTENSION) === true;
}

/**
 * Makes the one value that a package brings to Muster's apps. The package's module exports it as `extension`; then the setting
 * `MUSTER_EXTENSIONS` may name the module.
 *
 * The type checker holds each task's `deps` against what `deps` makes. Throws `TypeError` for a name that is none.
 *
 * ```ts
 * import { defineExtension } from "@muster/app";
 * import { atLeastOnceFactory, every } from "@muster/tasks";
 *
 * interface Clock {
 *   now(): string;
 * }
 * const TickTask = atLeastOnceFactory<Clock>()({
 *   name: "TickTask",
 *   schedule: every({ seconds: 5 }),
 *   execute: ({ deps }) => ({ at: deps.now() }),
 * });
 * export const extension = defineExtension({
 *   name: "clock",
 *   tasks: [TickTask],
 *   deps: () => () => ({ now: () => new Date().toISOString() }),
 * });
 * ```
 */
export function defineExtension<const Tasks extends readonly AnyTask[]>(spec: ExtensionSpec<Tasks>): Extension {
  const { name, tasks, lockTypes = [], tables = [], middleware = [] } = spec;
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
    throw new TypeError(
      `Cannot define extension ${JSON.stringify(name)}: a name is letters, digits, - and _, at most 64`,
    );
  }
  const extension: Extension = {
    name,
    tasks,
    lockTypes,
    tables,
    middleware,
    module: spec.module,
    deps: (offers) => spec.deps?.(offers) ?? (() => undefined),
    chores: (context) => spec.chores?.(context) ?? [],
    figures: (context) => spec.figures?.(context) ?? [],
  };
  return Object.defineProperty(extension, EXTENSION, { value: true });
}
