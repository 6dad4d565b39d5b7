import ava from "ava";
import { registerHooks } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { type Declaration, declaredIn, type Execution } from "./declarations.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const JOINED_AVA = new URL("joined_ava.ts", import.meta.url);

/**
 * How long a test or hook may take before it fails by name and the next ones go on, ms. The longest takes half a minute on a machine of its
 * own. Below ava's limit in gate.config.mjs, which would fail all files of the group that are left.
 */
const HANGS_AFTER_MS = 600_000;

/** Gives the group's files a `test` of their own in the place of ava's. All other files of the process have ava's. */
function interpose(files: ReadonlySet<string>): void {
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== "ava" || !context.parentURL?.startsWith("file:")) return next(specifier, context);
      const file = relative(ROOT, fileURLToPath(context.parentURL));
      if (!files.has(file)) return next(specifier, context);
      return { url: `${JOINED_AVA.href}?file=${encodeURIComponent(file)}`, shortCircuit: true };
    },
  });
}

/** The clock's own, also where a test plays it. */
const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis;

/** Runs `work`. Throws when it takes as long as only something that hangs. */
async function unlessItHangs(work: () => unknown, limitMs: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const timer = startTimer(
    () => late.reject(new Error(`It hangs: ${limitMs / 1_000} s have passed, and it has not ended`)),
    limitMs,
  );
  try {
    await Promise.race([work(), late.promise]);
  } finally {
    stopTimer(timer);
  }
}

/**
 * An error that ava's TAP reporter can write. It ends the whole run at one without a line of a stack, or with a field that YAML has no word
 * for, such as the undefined fields of an error of PostgreSQL.
 */
function writable(error: unknown): unknown {
  if (!(error instanceof Error) || error.name === "AssertionError") return error;
  const { name, message, stack = "" } = error;
  const fields = Object.entries(error).filter(([key]) => !["name", "message", "stack"].includes(key));
  const shown = fields.map(([key, value]) => `\n${key}: ${inspect(value, { breakLength: Number.POSITIVE_INFINITY })}`);
  const plain = new Error(`${message}${shown.join("")}`, { cause: error });
  plain.name = name;
  if (stack.includes("\n    at ")) plain.stack = stack;
  return plain;
}

/** One file of a group. Its tests run when those of the file before it have ended. */
interface Turn {
  readonly file: string;
  readonly previous: Promise<void>;
  readonly limitMs: number;
}

/** Declares the tests of a file to ava. Returns the promise that they have ended, and the file's hooks with them. */
function declareFile({ file, previous, limitMs }: Turn): Promise<void> {
  const all = declaredIn(file);
  const of = (...kinds: readonly Declaration["kind"][]) => all.filter(({ kind }) => kinds.includes(kind));
  const tests = [...of("serial"), ...of("test")];
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  if (tests.length === 0) throw new Error(`Cannot run ${file}: it declares no test`);

  let opened: Promise<void> | undefined;
  async function open(t: Execution): Promise<void> {
    await previous;
    for (const { work } of of("before")) await unlessItHangs(() => work(t), limitMs);
  }

  let left = tests.length;
  async function close(t: Execution): Promise<void> {
    left--;
    if (left > 0) return;
    try {
      for (const { work } of of("after.always")) await unlessItHangs(() => work(t), limitMs);
    } finally {
      end();
    }
  }

  // Serial tests go one after the other, before all others, as under ava.
  let serial: Promise<void> = Promise.resolve();
  for (const { kind, title, work } of tests) {
    const before = serial;
    const { promise: done, resolve: over } = Promise.withResolvers<void>();
    if (kind === "serial") serial = done;
    ava(`${nameOf(file)} › ${title}`, async (t) => {
      // Teardowns run from the last to the first, so the file is closed after those of its last test.
      t.teardown(() => close(t));
      t.teardown(over);
      opened ??= open(t);
      await opened;
      await before;
      for (const each of of("beforeEach")) await each.work(t);
      for (const each of of("afterEach.always")) t.teardown(() => each.work(t));
      await unlessItHangs(() => work(t), limitMs).catch((error: unknown) => {
        throw writable(error);
      });
    });
  }
  return ended;
}

/** The file as ava writes it in a title. */
function nameOf(file: string): string {
  return file.replace(/\.ts$/, "").replaceAll("/", " › ");
}

/**
 * Runs test files in one process, one after the other, so that what they import is loaded once. Each file behaves as under ava by itself:
 * its `before` hooks run before its first test, its `after.always` hooks after its last, and its tests beside each other unless they are
 * serial. A test that hangs fails by name, and the others run.
 *
 * Paths are relative to the workspace's folder.
 */
export async function runGroup(files: readonly string[], { limitMs = HANGS_AFTER_MS } = {}): Promise<void> {
  interpose(new Set(files));
  for (const file of files) await import(pathToFileURL(join(ROOT, file)).href);
  let previous: Promise<void> = Promise.resolve();
  for (const file of files) previous = declareFile({ file, previous, limitMs });
}
