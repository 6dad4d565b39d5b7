import { readFile, realpath } from "node:fs/promises";
import { join, relative } from "node:path";
import type { Plugin } from "esbuild";
import { type Entry, placeOf } from "./entries.ts";
import { shareModule } from "./share.ts";

const ENTRY = "muster-entry";
const SHARE = "muster-share";

/** What a module of the bundle finds under `import.meta`; see `DEFINE`. */
export const DEFINE = {
  "import.meta.url": "$musterUrl",
  "import.meta.filename": "$musterFilename",
  "import.meta.dirname": "$musterDirname",
};

/** The start of each file of the bundle. `toRoot` is the way from the file's folder to the bundle's. */
export function banner(toRoot: string): string {
  return [
    'import{createRequire as $musterRequire}from"node:module";',
    'import{fileURLToPath as $musterPath}from"node:url";',
    "const require=$musterRequire(import.meta.url),$musterHere=import.meta.url,",
    `$musterRoot=new URL(${JSON.stringify(toRoot)},import.meta.url);`,
  ].join("");
}

/** The name of an entry for esbuild. */
export function nameOf({ place }: Entry): string {
  return `${ENTRY}:${place}`;
}

async function folderFor(root: string, source: string): Promise<string> {
  if (source.endsWith(".ts")) return root;
  // A dependency of a dependency is found from there alone.
  const from = source === "@mikro-orm/sql" ? "node_modules/@mikro-orm/postgresql" : ".";
  return await realpath(join(root, "libs", "ledger", from));
}

/** Entries of which each first leads extensions to the bundle's copies where a process or a thread begins with it. */
export function entriesPlugin(root: string, entries: readonly Entry[]): Plugin {
  const byPlace = new Map(entries.map((entry) => [entry.place, entry]));
  return {
    name: ENTRY,
    setup(build) {
      build.onResolve({ filter: new RegExp(`^${ENTRY}:`) }, ({ path }) => ({
        path: path.slice(ENTRY.length + 1),
        namespace: ENTRY,
      }));
      build.onResolve({ filter: new RegExp(`^${SHARE}$`) }, ({ path }) => ({ path, namespace: SHARE }));
      build.onLoad({ filter: /.*/, namespace: SHARE }, () => ({ contents: shareModule(entries) }));
      build.onLoad({ filter: /.*/, namespace: ENTRY }, async ({ path }) => {
        const entry = byPlace.get(path);
        if (entry === undefined) throw new Error(`Cannot bundle ${path}: it is no entry`);
        const { source, begins } = entry;
        const from = JSON.stringify(source.endsWith(".ts") ? `./${source}` : source);
        const contents = `${begins ? `import "${SHARE}";\n` : ""}export * from ${from};\n`;
        return { contents, resolveDir: await folderFor(root, source) };
      });
    },
  };
}

/**
 * Gives each module of ours the place of its build as `import.meta.url`, so that it finds the files beside it as ever: assets, package.json,
 * threads. Modules of other packages get the place of the file that they are in.
 */
export function placesPlugin(root: string): Plugin {
  return {
    name: "muster-places",
    setup(build) {
      build.onLoad({ filter: /\.(?:ts|js|mjs)$/ }, async ({ path }) => {
        const text = await readFile(path, "utf8");
        if (!text.includes("import.meta.")) return undefined;
        const ours = !path.includes("/node_modules/");
        const place = JSON.stringify(`${placeOf(relative(root, path))}.js`);
        const url = ours ? `new URL(${place}, $musterRoot).href` : "$musterHere";
        const lines = [
          `const $musterUrl = ${url}`,
          "$musterFilename = $musterPath($musterUrl)",
          '$musterDirname = $musterPath(new URL(".", $musterUrl))',
        ];
        // On the first line, so that the lines of the source map stay.
        return { contents: `${lines.join(", ")}; ${text}`, loader: path.endsWith(".ts") ? "ts" : "js" };
      });
    },
  };
}
