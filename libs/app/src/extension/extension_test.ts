import { atLeastOnceFactory, defineLockType } from "@muster/tasks";
import test from "ava";
import { chooseTasks } from "./choose_tasks.ts";
import { composeExtensions } from "./compose_extensions.ts";
import { defineExtension, isExtension } from "./extension.ts";
import { ExtensionsClashError, NoSuchTaskError } from "./extension_errors.ts";

interface Horn {
  blow(): string;
}

const define = atLeastOnceFactory<Horn>();
const BlowTask = define({ name: "BlowTask", size: "small", execute: ({ deps }) => deps.blow() });
const RestTask = atLeastOnceFactory()({ name: "RestTask", size: "medium", execute: () => "rest" });

const horns = defineExtension({
  name: "horns",
  tasks: [BlowTask, RestTask],
  lockTypes: [defineLockType("horn")],
  middleware: [{ name: "blow" }],
  deps: () => () => ({ blow: () => "toot" }),
});

function named(name: string, more: Partial<Parameters<typeof defineExtension>[0]> = {}) {
  return defineExtension({ tasks: [], ...more, name });
}

const input = {
  transaction: async () => Promise.reject(new Error("no ledger")),
  ...{ taskId: "t", vo: "_", attempt: 1, signal: new AbortController().signal },
};

test("an extension is told from a value that only looks like one, and its name is checked", (t) => {
  t.true(isExtension(horns));
  t.false(isExtension({ ...horns }));
  t.false(isExtension(undefined));
  t.throws(() => named("my horns"), { instanceOf: TypeError, message: /"my horns".*letters, digits/ });
});

test("the type checker refuses a task that wants other dependencies than its extension makes", (t) => {
  const WrongTask = atLeastOnceFactory<Horn & { readonly pitch: number }>()({
    name: "WrongTask",
    execute: ({ deps }) => deps.pitch,
  });
  // @ts-expect-error: `deps` makes no `pitch`
  defineExtension({ name: "a", tasks: [WrongTask], deps: () => () => ({ blow: () => "toot" }) });
  // @ts-expect-error: there are no dependencies at all
  defineExtension({ name: "b", tasks: [BlowTask] });
  t.pass();
});

test("each task of several extensions is given what its own extension makes, and nothing where that makes nothing", (t) => {
  const drums = named("drums", { tasks: [atLeastOnceFactory()({ name: "DrumTask", execute: () => "boom" })] });
  const composed = composeExtensions([horns, drums]);
  t.deepEqual(composed.names, ["horns", "drums"]);
  const deps = composed.deps({ log() {} });
  t.is((deps({ ...input, task: "BlowTask" }) as Horn).blow(), "toot");
  t.is(deps({ ...input, task: "DrumTask" }), undefined);
});

test("the middlewares of several extensions are those of the app, in order", (t) => {
  const [watch, count] = [{ name: "watch" }, { name: "count" }];
  const composed = composeExtensions([
    named("brass", { middleware: [watch] }),
    horns,
    named("c", { middleware: [count] }),
  ]);
  t.deepEqual(composed.middleware, [watch, ...horns.middleware, count]);
});

test("two extensions that share a name, a task, a lock type or a middleware are refused with both names and the way out", (t) => {
  const cases = [
    { other: named("horns"), what: "extension", says: /two are named "horns"/ },
    {
      other: named("brass", { tasks: [RestTask] }),
      what: "task",
      says: /"horns" and "brass".*task "RestTask"; rename/,
    },
    { other: named("brass", { middleware: [{ name: "blow" }] }), what: "middleware", says: /middleware "blow"/ },
    { other: named("brass", { lockTypes: horns.lockTypes }), what: "lock type", says: /lock type "horn".*MUSTER_EXTE/ },
  ];
  for (const { other, what, says } of cases) {
    const error = t.throws(() => composeExtensions([horns, other]), { instanceOf: ExtensionsClashError });
    t.is(String(error.what), what);
    t.regex(error.message, says);
  }
});

test("tasks are chosen by name, by size or all, each once, and a word that means none names those that there are", (t) => {
  const composed = composeExtensions([horns]);
  const chosen = (...words: readonly string[]) => chooseTasks(composed, words).map(({ name }) => name);
  t.deepEqual(chosen("all"), ["BlowTask", "RestTask"]);
  t.deepEqual(chosen("size:small"), ["BlowTask"]);
  t.deepEqual(chosen("size:medium", "RestTask", "BlowTask"), ["RestTask", "BlowTask"]);
  for (const word of ["DrumTask", "size:large"]) {
    const error = t.throws(() => chosen("BlowTask", word), { instanceOf: NoSuchTaskError });
    t.regex(error.message, new RegExp(`"${word}".*horns.*BlowTask \\(small\\), RestTask \\(medium\\)`));
  }
});
