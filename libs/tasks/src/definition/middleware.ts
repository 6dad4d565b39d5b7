// Tested by libs/tasks/src/definition/middleware_test.ts
// Tested by tests/src/worker/middleware_test.ts
import type { JsonObject } from "./json.ts";
import { SeenMessage, SeenRun } from "./seen_payload.ts";
import type { Run } from "./task.ts";

/** A task that is on its way to the broker, as a middleware sees it. */
export interface TaskMessage {
  readonly task: string;
  /** The VO's name, or `_` for a task that is not per VO. */
  readonly vo: string;
  readonly taskId: string;
  /** A frozen copy of the payload as it is sent. */
  readonly payload: JsonObject;
  /** Id of the task that spawned this one; undefined: none did. */
  readonly parentId: string | undefined;
  /**
   * Headers of the publisher's own. A middleware adds its own here before it calls `next`; later changes have no effect. They are checked as
   * the option `headers` of `publish` is.
   */
  readonly headers: Record<string, string>;
}

/** A run of a task, as a middleware sees it. */
export interface TaskRun extends Pick<Run<unknown, unknown>, "vo" | "taskId" | "attempt" | "signal" | "log"> {
  readonly task: string;
  /** A frozen copy of what `execute` is given, without the classes of its objects. */
  readonly payload: unknown;
  /** Headers of the publisher's own, such as `traceparent`. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Hooks around each publish and each run, for what concerns all tasks: tracing, checks, reports of errors.
 *
 * Each hook calls `next` once and awaits it, or throws. A call of `next` after the hook has ended does nothing, and never resolves. The first
 * middleware of a list is the outermost.
 *
 * ```ts
 * const timing: Middleware = {
 *   name: "timing",
 *   async run({ task }, next) {
 *     const startedAtMs = performance.now();
 *     try {
 *       return await next();
 *     } finally {
 *       console.log(task, performance.now() - startedAtMs);
 *     }
 *   },
 * };
 * ```
 */
export interface Middleware {
  /** Named in errors. Unique in a list. */
  readonly name: string;
  /**
   * Runs around each task that is published, also where it is a child. What it throws refuses the task: `publish` throws it, and a parent whose
   * child is refused has failed. Where the task is stored by then, `publish` throws `StoredAllTheSameError`. `publish` waits for a hook without a
   * limit.
   *
   * `next` resolves when the task is stored. For a child, in `publishMany` and in a scheduler it resolves when the task has its place among those
   * that will be stored. It throws what `publish` throws.
   *
   * A scheduler publishes occurrences, and the tasks of the outbox. It waits a second for a hook. An occurrence that is refused is tried again, and
   * a task of the outbox is set aside.
   */
  publish?(message: TaskMessage, next: () => Promise<void>): Promise<unknown>;
  /**
   * Runs around `execute`, inside the run's timeout and transaction, and before anything is recorded. `next` returns what `execute` returned and
   * throws what it threw. What the hook throws is the task's failure. What it returns is ignored.
   *
   * A hook that swallows an error of `next` changes nothing: the task has failed. Where the database ends a transaction in favour of others,
   * `execute` runs again inside its hooks.
   */
  run?(run: TaskRun, next: () => Promise<unknown>): Promise<unknown>;
}

/** Runs `inner` inside all hooks of one kind, and returns what `inner` came to. Throws what a hook throws, or else what `inner` throws. */
export type Around<Subject> = <Result>(subject: Subject, inner: () => Promise<Result>) => Promise<Result>;

/** The hooks of a list, joined. A kind that no middleware has is undefined, and costs nothing. */
export interface JoinedMiddleware {
  readonly publish?: Around<TaskMessage>;
  readonly run?: Around<TaskRun>;
}

/** A hook with the name of its middleware. */
interface Named<Subject> {
  readonly name: string;
  hook(subject: Subject, next: () => Promise<unknown>): Promise<unknown>;
}

/** Which middleware has thrown an error. Errors keep their class, by which callers and retry policies tell them apart. */
const throwers = new WeakMap<object, string>();

/** The name of the middleware whose hook has thrown `error`; undefined: none has, or it is no object. */
export function middlewareOf(error: unknown): string | undefined {
  return typeof error === "object" && error !== null ? throwers.get(error) : undefined;
}

/** An error's message, with the name of the middleware that has thrown it. */
export function messageOfError(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const name = middlewareOf(error);
  return name === undefined ? message : `middleware ${JSON.stringify(name)}: ${message}`;
}

/** Runs one hook around `inner`. */
async function through<Subject, Result>(
  { name, hook }: Named<Subject>,
  subject: Subject,
  inner: () => Promise<Result>,
): Promise<Result> {
  let called: Promise<Result> | undefined;
  let isOver = false;
  const next = (): Promise<Result> => {
    // The outcome stands already. An error would come where nobody catches it, and end the process.
    if (isOver) return new Promise(() => undefined);
    if (called !== undefined) throw new Error(`Cannot go on: middleware "${name}" has called next a second time`);
    called = inner();
    called.catch(() => undefined); // this function returns it, also where the hook has not awaited it
    return called;
  };
  try {
    await hook(subject, next);
  } catch (error) {
    // What is inside may still be running, and its end must not come after the task's.
    const passedOn = await called?.then(
      () => undefined,
      (inner: unknown) => inner,
    );
    if (error !== passedOn && typeof error === "object" && error !== null) throwers.set(error, name);
    throw error;
  } finally {
    isOver = true;
  }
  if (called !== undefined) return await called;
  throw new Error(`Cannot go on: middleware "${name}" has not called next; let it throw where a task is to be refused`);
}

function around<Subject>(
  hooks: readonly Named<Subject>[],
  show: (subject: Subject) => Subject,
): Around<Subject> | undefined {
  if (hooks.length === 0) return undefined;
  return (subject, inner) => {
    const seen = show(subject);
    return hooks.reduceRight<typeof inner>((within, hook) => () => through(hook, seen, within), inner)();
  };
}

/** Joins middlewares, the first outermost. Throws `TypeError` for a name that is empty or there twice. */
export function joinMiddleware(list: readonly Middleware[] = []): JoinedMiddleware {
  const names = new Set<string>();
  for (const { name } of list) {
    if (name === "" || names.has(name)) {
      throw new TypeError(`Cannot use a middleware of name ${JSON.stringify(name)}: give each a name of its own`);
    }
    names.add(name);
  }
  const publish = around<TaskMessage>(
    list.flatMap((each) => (each.publish === undefined ? [] : [{ name: each.name, hook: each.publish.bind(each) }])),
    (message) => new SeenMessage(message),
  );
  const run = around<TaskRun>(
    list.flatMap((each) => (each.run === undefined ? [] : [{ name: each.name, hook: each.run.bind(each) }])),
    (run) => new SeenRun(run),
  );
  return { ...(publish && { publish }), ...(run && { run }) };
}
