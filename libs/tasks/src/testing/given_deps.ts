/** A task used something that the test has not given it. */
export class MissingDepError extends Error {
  override readonly name = "MissingDepError";
  readonly task: string;
  readonly dep: string;
  constructor(task: string, dep: string, given: readonly string[]) {
    super(
      `Cannot use deps.${dep} in ${task}: this test gives ${given.length === 0 ? "no deps" : `only ${given.join(", ")}`}; ` +
        `give runTask deps: () => ({ ${[...given, dep].join(", ")} })`,
    );
    this.task = task;
    this.dep = dep;
  }
}

/** Whether it is a bare object: one of a class may have private fields, which no proxy reaches. */
function isBare(given: unknown): given is Readonly<Record<PropertyKey, unknown>> {
  if (given === null || typeof given !== "object") return false;
  const prototype = Object.getPrototypeOf(given);
  return prototype === Object.prototype || prototype === null;
}

/**
 * What a test gives as `deps`, with an error in place of `undefined` where the task uses what is not there. `onMissing` hears of the error, which
 * the task may swallow.
 */
export function givenDeps(task: string, given: unknown, onMissing: (error: MissingDepError) => void): unknown {
  if (!isBare(given)) return given;
  return new Proxy(given, {
    get(target, name, receiver) {
      if (typeof name === "symbol" || name in target) return Reflect.get(target, name, receiver);
      const error = new MissingDepError(task, name, Object.keys(target));
      onMissing(error);
      throw error;
    },
  });
}
