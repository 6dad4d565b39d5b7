import test from "ava";
import { joinMiddleware, middlewareOf, type Middleware, type TaskRun } from "./middleware.ts";

const run: TaskRun = {
  ...{ task: "GreetTask", vo: "_", taskId: "one", attempt: 1, payload: {}, headers: {} },
  signal: new AbortController().signal,
  log: { debug() {}, info() {}, warn() {}, error() {} },
};

/** A middleware that writes down when it is entered and left. */
function noting(name: string, said: string[]): Middleware {
  return {
    name,
    async run({ task }, next) {
      said.push(`${name} before ${task}`);
      const result = await next();
      said.push(`${name} after ${result}`);
    },
  };
}

test("hooks run from the first, which is the outermost, and what is inside is the result whatever they return", async (t) => {
  const said: string[] = [];
  const joined = joinMiddleware([
    noting("a", said),
    { name: "publishes alone", publish: (_, next) => next() },
    noting("b", said),
  ]);
  t.is(await joined.run?.(run, async () => "done"), "done");
  t.deepEqual(said, ["a before GreetTask", "b before GreetTask", "b after done", "a after done"]);
});

test("without a hook of a kind there is nothing to run through", (t) => {
  t.deepEqual(joinMiddleware(), {});
  t.deepEqual(joinMiddleware([{ name: "empty" }]), {});
  t.deepEqual(Object.keys(joinMiddleware([noting("a", [])])), ["run"]);
});

test("a hook that swallows an error changes nothing, and one that throws another is heard", async (t) => {
  const failure = new Error("the task's own");
  const failing = async () => {
    throw failure;
  };
  const swallow: Middleware = { name: "swallow", run: (_, next) => next().catch(() => "all is well") };
  t.is(await t.throwsAsync(async () => joinMiddleware([swallow]).run?.(run, failing)), failure);
  const other = new Error("another");
  const replace: Middleware = {
    name: "replace",
    run: (_, next) =>
      next().catch(() => {
        throw other;
      }),
  };
  const pass: Middleware = { name: "pass", run: (_, next) => next() };
  t.is(await t.throwsAsync(async () => joinMiddleware([swallow, pass, replace]).run?.(run, failing)), other);
  t.is(await t.throwsAsync(async () => joinMiddleware([pass]).run?.(run, failing)), failure);
  t.is(middlewareOf(other), "replace");
  t.is(middlewareOf(failure), undefined);
});

test("a hook that throws without waiting ends after what it has started", async (t) => {
  const inside = Promise.withResolvers<void>();
  const hasty: Middleware = {
    name: "hasty",
    async run(_, next) {
      void next();
      throw new Error("hasty");
    },
  };
  let isOver = false;
  const ended = t.throwsAsync(
    async () =>
      joinMiddleware([hasty]).run?.(run, async () => {
        await inside.promise;
        isOver = true;
      }),
    { message: "hasty" },
  );
  inside.resolve();
  await ended;
  t.true(isOver);
});

test("a hook that never calls next, or calls it twice, is refused by its name", async (t) => {
  const never: Middleware = { name: "never", run: async () => "skipped" };
  await t.throwsAsync(async () => joinMiddleware([never]).run?.(run, async () => 1), {
    message: /middleware "never" has not called next; let it throw/,
  });
  let runs = 0;
  const twice: Middleware = { name: "twice", run: async (_, next) => [await next(), await next()] };
  await t.throwsAsync(async () => joinMiddleware([twice]).run?.(run, async () => ++runs), {
    message: /middleware "twice" has called next a second time/,
  });
  t.is(runs, 1);
});

test("a middleware has a name of its own, and keeps its this", async (t) => {
  for (const names of [[""], ["a", "a"]]) {
    t.throws(() => joinMiddleware(names.map((name) => ({ name }))), { instanceOf: TypeError, message: /of name "a?"/ });
  }
  const counting = {
    name: "counting",
    count: 0,
    async run(_run: TaskRun, next: () => Promise<unknown>) {
      this.count++;
      await next();
    },
  };
  await joinMiddleware([counting]).run?.(run, async () => undefined);
  t.is(counting.count, 1);
});

test("a hook sees a frozen copy of the payload, and what it does to it is its own error", async (t) => {
  const payload = { n: 1, in: { site: "cern" }, at: new Date(0) };
  const change: Middleware = {
    name: "change",
    async run({ payload: seen, ...others }, next) {
      t.deepEqual(seen, payload);
      t.is(others.task, run.task);
      Object(seen).in.site = "elsewhere";
      await next();
    },
  };
  const error = await t.throwsAsync(async () =>
    joinMiddleware([change]).run?.({ ...run, payload }, async () => "done"),
  );
  t.regex(error?.message ?? "", /read only/);
  t.is(payload.in.site, "cern");
  const uncopied = { hello: () => "hello" };
  const look: Middleware = {
    name: "look",
    run: (seen, next) => {
      t.is(seen.payload, uncopied);
      return next();
    },
  };
  t.is(await joinMiddleware([look]).run?.({ ...run, payload: uncopied }, async () => "done"), "done");
});

test("a hook that does not look at the payload makes no copy of it", async (t) => {
  const seen = {
    ...run,
    get payload(): unknown {
      return t.fail("nobody has asked for it");
    },
  };
  const pass: Middleware = { name: "pass", run: ({ task }, next) => (task === run.task ? next() : t.fail(task)) };
  t.is(await joinMiddleware([pass]).run?.(seen, async () => "done"), "done");
});

test("a hook that calls next after it has ended starts nothing", async (t) => {
  const late = Promise.withResolvers<void>();
  let calls = 0;
  const forgetful: Middleware = {
    name: "forgetful",
    async run(_, next) {
      void late.promise.then(() => next());
    },
  };
  const ended = joinMiddleware([forgetful]).run?.(run, async () => ++calls);
  await t.throwsAsync(async () => ended, { message: /"forgetful" has not called next/ });
  late.resolve();
  await new Promise(setImmediate);
  t.is(calls, 0);
});
