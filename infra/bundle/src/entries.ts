import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One module that is loaded by its own path. */
export interface Entry {
  /** The path of the source, relative to the workspace's folder; or a package. */
  readonly source: string;
  /** Its path in the bundle, without `.js`. It lies as the build of its package does, so paths between such modules stay as they are. */
  readonly place: string;
  /** What an extension imports it by. */
  readonly shared?: string;
  /** Whether a process or a thread begins with it. */
  readonly begins?: true;
}

/** Packages whose classes cross between Muster and an extension, so that there must be one copy of each. */
const SHARED_PACKAGES = [
  "@mikro-orm/core",
  "@mikro-orm/sql",
  "@mikro-orm/postgresql",
  "@mikro-orm/migrations",
  "kysely",
];

/** Modules that threads begin with. Their path is worked out beside the module that starts them. */
const THREADS = ["libs/app/src/thread_main.ts", "libs/service/src/health/thread.ts", "libs/tasks/src/keeper/thread.ts"];

/** What runs one command of the command line, for a process that runs many: those of the tests. */
const COMMANDS = "apps/cli/src/run_cli.ts";

/** Modules that are loaded in a thread which something else began. */
const PARTS = ["libs/tasks/src/keeper/serve.ts"];

/** Packages that are asked for by `require` at run time, where they are needed. */
export const REQUIRED: Readonly<Record<string, string>> = {
  "pino-pretty": "libs/service",
  "rrule-temporal": "libs/tasks",
};

/** The place of a source in the bundle, as `tsc` places its build. */
export function placeOf(source: string): string {
  return source.replace("/src/", "/dist/").replace(/\.ts$/, "");
}

function facesOf(root: string, folder: string): Entry[] {
  const { name, exports } = JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8")) as {
    name: string;
    exports: Readonly<Record<string, string | { readonly default: string }>>;
  };
  return Object.entries(exports).flatMap(([path, found]) => {
    const file = typeof found === "string" ? found : found.default;
    const source = join(folder, file);
    // What only tests use is no part of production.
    if (path === "./testing") return [];
    return [{ source, place: placeOf(source), shared: join(name, path) }];
  });
}

/** Folders of the packages under `parent`, relative to the workspace's folder. */
export function packagesOf(root: string, parent: string): string[] {
  const folders = readdirSync(join(root, parent)).map((name) => join(parent, name));
  return folders.filter((folder) => existsSync(join(root, folder, "package.json"))).sort();
}

/** Everything that is loaded by its own path: apps, threads, what extensions import. */
export function listEntries(root: string): readonly Entry[] {
  const mains = packagesOf(root, "apps").map((folder) => join(folder, "src", "main.ts"));
  return [
    ...[...mains, ...THREADS, COMMANDS].map((source): Entry => ({ source, place: placeOf(source), begins: true })),
    { source: "infra/bundle/src/programs.ts", place: "share", begins: true },
    ...PARTS.map((source): Entry => ({ source, place: placeOf(source) })),
    ...packagesOf(root, "libs").flatMap((folder) => facesOf(root, folder)),
    ...SHARED_PACKAGES.map((name) => ({ source: name, place: join("shared", name), shared: name })),
  ];
}
