// Tested by libs/tasks/src/definition/middleware_test.ts
import type { JsonObject } from "./json.ts";
import type { TaskMessage, TaskRun } from "./middleware.ts";

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
}

/** A frozen copy; the value itself where it holds what cannot be copied, as a function of a schema's own. */
function frozenCopy<Value>(value: Value): Value {
  try {
    const copy = structuredClone(value);
    freeze(copy);
    return copy;
  } catch (error) {
    if (error instanceof DOMException) return value;
    throw error;
  }
}

/*
 * What hooks see has a frozen copy of the payload, made when a hook first looks. What was checked is what is stored and run, whatever a hook
 * does. These are classes, since an accessor in a literal costs microseconds for each object in V8.
 */

/** A task on its way, as hooks see it. */
export class SeenMessage implements TaskMessage {
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  readonly parentId: string | undefined;
  readonly headers: Record<string, string>;
  readonly #of: TaskMessage;
  #copy: JsonObject | undefined;
  constructor(of: TaskMessage) {
    this.task = of.task;
    this.vo = of.vo;
    this.taskId = of.taskId;
    this.parentId = of.parentId;
    this.headers = of.headers;
    this.#of = of;
  }
  get payload(): JsonObject {
    this.#copy ??= frozenCopy(this.#of.payload);
    return this.#copy;
  }
}

/** A run, as hooks see it. */
export class SeenRun implements TaskRun {
  readonly task: string;
  readonly vo: string;
  readonly taskId: string;
  readonly attempt: number;
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
  readonly log: TaskRun["log"];
  readonly #of: TaskRun;
  #copy: { readonly payload: unknown } | undefined;
  constructor(of: TaskRun) {
    this.task = of.task;
    this.vo = of.vo;
    this.taskId = of.taskId;
    this.attempt = of.attempt;
    this.signal = of.signal;
    this.headers = of.headers;
    this.log = of.log;
    this.#of = of;
  }
  get payload(): unknown {
    this.#copy ??= { payload: frozenCopy(this.#of.payload) };
    return this.#copy.payload;
  }
}
