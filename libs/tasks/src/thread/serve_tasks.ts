// Tested by tests/src/thread/threads_test.ts
import { parentPort, type MessagePort, workerData } from "node:worker_threads";
import type { Json } from "../definition/json.ts";
import type { ThreadLedger } from "../definition/ledger.ts";
import { joinMiddleware, type Middleware } from "../definition/middleware.ts";
import type { NoDeps, TaskOver } from "../definition/task.ts";
import type { DepsInput } from "../run/attempt.ts";
import { arrive } from "./crossing_error.ts";
import { ServedRun } from "./served_run.ts";
import type { FromTaskThread, ThreadStart, ToTaskThread } from "./thread_messages.ts";

/** Makes what one run's task may call. */
interface DepsMaker<Transaction, Deps> {
  /** Makes what one run's task may call, in this thread: that of the worker cannot cross. Called once in each run. */
  deps(input: DepsInput<Transaction>): Deps;
}

/** What a thread runs, and with what. */
interface ServedParts<Transaction, Deps> {
  /** The tasks that this module runs: the same definitions as the worker's. */
  readonly tasks: readonly TaskOver<Deps>[];
  /** Required by tasks whose effect is `once` and that use their transaction, as `openThreadLedger` of `@muster/ledger/thread` makes it. */
  readonly ledger?: ThreadLedger<Transaction>;
  /** Runs around each run and around each child that a run spawns, the first outermost. The worker's own do not. Default: none. */
  readonly middleware?: readonly Middleware[];
}

/**
 * What a thread runs, and with what. All of it is made in the thread: of the worker's own thread only {@linkcode threadData} is here. So `deps` is
 * required where the tasks take any.
 */
export type ServeOptions<Transaction, Deps> = ServedParts<Transaction, Deps> &
  ([Deps] extends [never]
    ? Partial<DepsMaker<Transaction, Deps>>
    : NoDeps extends Deps
      ? Partial<DepsMaker<Transaction, Deps>>
      : DepsMaker<Transaction, Deps>);

/** The values with which this thread was started. Throws `TypeError` where it is no thread of a worker. */
function startOfThread(): { readonly port: MessagePort; readonly start: ThreadStart } {
  const start: unknown = workerData;
  const isOurs = start instanceof Object && "of" in start && start.of === "muster tasks";
  if (parentPort === null || !isOurs) {
    throw new TypeError(
      "Cannot serve tasks: this is no thread of a worker; give this module's URL to startWorker as threads: { module }",
    );
  }
  return { port: parentPort, start: start as ThreadStart };
}

/** What the worker gave its threads as `data`, of the type that the module expects. Throws `TypeError` where this is no thread of a worker. */
export function threadData<Data extends Json = Json>(): Data {
  return startOfThread().start.data as Data;
}

/**
 * Runs tasks in this thread, one at a time, as the last line of the module that `threads` of `startWorker` names.
 *
 * Throws `TypeError` where this is no thread of a worker, and for two middlewares of one name.
 *
 * ```ts
 * import { atLeastOnceFactory } from "@muster/tasks";
 * import { serveTasks } from "@muster/tasks/thread";
 *
 * const ReckonTask = atLeastOnceFactory()({ name: "ReckonTask", size: "medium", execute: () => 6 * 7 });
 * serveTasks({ tasks: [ReckonTask] });
 * ```
 */
export function serveTasks<Transaction = undefined, Deps = NoDeps>(options: ServeOptions<Transaction, Deps>): void {
  const { port } = startOfThread();
  const maker: Partial<DepsMaker<Transaction, Deps>> = options;
  const middleware = joinMiddleware(options.middleware);
  const tasks = new Map(options.tasks.map((task) => [task.name, task]));
  const tell = (message: FromTaskThread) => port.postMessage(message);
  let present: ServedRun | undefined;

  port.on("message", (message: ToTaskThread) => {
    if (message.kind === "run") {
      const definition = tasks.get(message.run.task);
      if (definition === undefined)
        throw new TypeError(`Cannot run ${message.run.task}: this thread does not serve it`);
      present = new ServedRun({
        ...{ definition, middleware, tell, run: message.run },
        ledger: options.ledger as ThreadLedger<unknown> | undefined,
        deps: (input) => maker.deps?.(input as DepsInput<Transaction>),
      });
    } else if (message.kind === "abort") present?.abort(message.number, arrive(message.reason));
    else present?.answered(message);
  });
  tell({ kind: "ready", tasks: [...tasks.keys()] });
}
