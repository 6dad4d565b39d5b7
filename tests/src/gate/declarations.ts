/** What a test or hook of a file is declared as: `test`, `test.serial`, `test.before` and so on. */
export type Kind = "test" | "serial" | "before" | "after.always" | "beforeEach" | "afterEach.always";

/** What ava hands to a test, as far as a group needs it. */
export interface Execution {
  teardown(work: () => Promise<void> | void): void;
}

/** A test or hook as a file declares it. */
export interface Declaration {
  readonly kind: Kind;
  /** Empty for a hook. */
  readonly title: string;
  readonly work: (t: Execution) => void | Promise<void>;
}

type Declare = (...args: readonly unknown[]) => void;

const declared = new Map<string, Declaration[]>();

/** What a file has declared, in its order. */
export function declaredIn(file: string): Declaration[] {
  const known = declared.get(file) ?? [];
  declared.set(file, known);
  return known;
}

function isWork(value: unknown): value is Declaration["work"] {
  return typeof value === "function";
}

/** Notes a declaration instead of handing it to ava at once, which takes none from a file that awaits something before. */
function noting(file: string, kind: Kind): Declare {
  return (...args) => {
    const title = typeof args[0] === "string" ? args[0] : "";
    const work = args.at(-1);
    const isTest = kind === "test" || kind === "serial";
    if (!isWork(work) || isTest === (title === "")) {
      throw new TypeError(`Cannot take a declaration of kind "${kind}" in ${file}: give a test a title and a function`);
    }
    declaredIn(file).push({ kind, title, work });
  };
}

/** Ava's `test` as far as files in a group use it. A file that uses another word of ava's fails by `TypeError`. */
export function declarationsOf(file: string) {
  return Object.assign(noting(file, "test"), {
    serial: noting(file, "serial"),
    before: noting(file, "before"),
    after: { always: noting(file, "after.always") },
    beforeEach: noting(file, "beforeEach"),
    afterEach: { always: noting(file, "afterEach.always") },
  });
}
