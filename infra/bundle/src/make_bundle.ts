// Tested by tests/src/extension/bundle_test.ts
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import { build, type BuildOptions, type OutputFile } from "esbuild";
import { listEntries, packagesOf, REQUIRED } from "./entries.ts";
import { withoutSpareNames } from "./names.ts";
import { banner, DEFINE, entriesPlugin, nameOf, placesPlugin } from "./plugins.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

/** The folder of the bundle. It needs nothing outside of itself, but for the embedded servers of `muster up`. */
export const BUNDLE = join(ROOT, "infra", "bundle", "dist");

/** The file that says from which sources the bundle is made. */
const NOTE = "made-from.json";

/** Time for which the files of an earlier bundle stay after a newer one was made, ms. A process that still runs may load them late. */
const OLD_MS = 24 * 60 * 60 * 1_000;

/** What all files are compiled with. Names stay, and so do lines: a stack trace reads as ever. */
const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: "node",
  target: "node24",
  keepNames: true,
  legalComments: "none",
  minifyWhitespace: true,
  minifySyntax: true,
  // Read with NODE_OPTIONS=--enable-source-maps alone; the sources are not repeated in them.
  sourcemap: "linked",
  sourcesContent: false,
  logLevel: "warning",
  write: false,
  // Asked for by pg where it is installed, which it is not.
  external: ["pg-native"],
  metafile: true,
} satisfies BuildOptions & { readonly write: false; readonly metafile: true };

interface Made {
  readonly files: readonly OutputFile[];
  /** Sources of ours, relative to the workspace's folder. */
  readonly sources: readonly string[];
}

/** Stands in the start of a file for the way from its folder to the bundle's. */
const TO_ROOT = "@@TO_ROOT@@";

function textOf({ path, text }: OutputFile): string {
  const code = path.endsWith(".js") ? withoutSpareNames(text) : text;
  return code.replace(TO_ROOT, `${relative(dirname(path), BUNDLE) || "."}/`);
}

async function bundleModules(): Promise<Made> {
  const entries = listEntries(ROOT);
  const { outputFiles, metafile } = await build({
    ...COMMON,
    entryPoints: entries.map((entry) => ({ in: nameOf(entry), out: entry.place })),
    outdir: BUNDLE,
    format: "esm",
    splitting: true,
    chunkNames: "chunks/[name]-[hash]",
    define: DEFINE,
    banner: { js: banner(TO_ROOT) },
    plugins: [entriesPlugin(ROOT, entries), placesPlugin(ROOT)],
  });
  const sources = Object.keys(metafile.inputs).filter(
    (path) => /^(?:apps|libs|infra)\//.test(path) && !path.includes("node_modules/"),
  );
  return { files: outputFiles, sources };
}

/** Packages that are loaded by `require` at run time: one file for each. */
async function bundleRequired(): Promise<readonly OutputFile[]> {
  const made = Object.entries(REQUIRED).map(async ([name, folder]) => {
    const { outputFiles } = await build({
      ...COMMON,
      stdin: { contents: `module.exports = require(${JSON.stringify(name)});`, resolveDir: join(ROOT, folder) },
      outfile: join(BUNDLE, "node_modules", name, "index.js"),
      format: "cjs",
    });
    return outputFiles;
  });
  return (await Promise.all(made)).flat();
}

/** Writes a file so that nobody ever reads half of it. */
async function put(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${process.pid}.new`;
  await writeFile(fresh, text);
  await rename(fresh, path);
}

/** Copies what modules read beside themselves. Returns those files, relative to the workspace's folder. */
async function copyFiles(): Promise<readonly string[]> {
  const folders = [...packagesOf(ROOT, "apps"), ...packagesOf(ROOT, "libs")];
  const copied = folders.map((folder) => join(folder, "package.json"));
  for (const file of copied) await put(join(BUNDLE, file), await readFile(join(ROOT, file), "utf8"));
  const assets = join("apps", "dashboard", "assets");
  await cp(join(ROOT, assets), join(BUNDLE, assets), { recursive: true });
  const found = await readdir(join(ROOT, assets), { recursive: true, withFileTypes: true });
  const files = found.filter((entry) => entry.isFile());
  return [...copied, ...files.map(({ parentPath, name }) => relative(ROOT, join(parentPath, name)))];
}

/** The names of the chunks of the bundle that is there. */
async function chunksBefore(): Promise<readonly string[]> {
  try {
    const { chunks } = JSON.parse(await readFile(join(BUNDLE, NOTE), "utf8")) as { readonly chunks?: string[] };
    return chunks ?? [];
  } catch {
    return []; // there is none
  }
}

/** Removes what belongs to no bundle of the last time. `before` are the chunks of the bundle that this one follows: their time begins now. */
async function removeOld(chunks: readonly string[], before: readonly string[]): Promise<void> {
  const folder = join(BUNDLE, "chunks");
  const now = new Date();
  for (const name of await readdir(folder)) {
    if (chunks.includes(name)) continue;
    const path = join(folder, name);
    // Another program that makes the bundle now may have removed it.
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) continue;
    if (before.includes(name)) await utimes(path, now, now);
    else if (now.getTime() - found.mtimeMs > OLD_MS) await rm(path, { force: true });
  }
}

async function digestOf(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) hash.update(`\0${file}\0`).update(await readFile(join(ROOT, file)));
  return hash.digest("hex");
}

/** The bundle's own sources and what decides which packages are in it. */
async function ownSources(): Promise<readonly string[]> {
  const names = await readdir(import.meta.dirname);
  const own = names.filter((name) => name.endsWith(".ts") && !name.endsWith("_test.ts"));
  return [
    ...own.map((name) => join("infra", "bundle", "src", name)),
    join("infra", "bundle", "package.json"),
    "pnpm-lock.yaml",
  ];
}

/**
 * Makes the bundle of all apps and the command line. What was there is replaced file by file, so that processes of the earlier bundle go on.
 *
 * Ends with the digest of everything that it is made from. `infra/boot` compares it before it uses the bundle.
 */
export async function makeBundle(): Promise<void> {
  const [{ files, sources }, required] = await Promise.all([bundleModules(), bundleRequired()]);
  const before = await chunksBefore();
  const isEntry = ({ path }: OutputFile) => !path.includes(`${sep}chunks${sep}`);
  // Entries come last: what they import is there by then.
  for (const file of files.toSorted((a, b) => Number(isEntry(a)) - Number(isEntry(b))))
    await put(file.path, textOf(file));
  for (const { path, text } of required) {
    await put(path, text);
    await put(join(dirname(path), "package.json"), '{ "main": "index.js" }\n');
  }
  const copied = await copyFiles();
  await put(join(BUNDLE, "package.json"), '{ "type": "module", "private": true }\n');
  const madeFrom = [...sources, ...copied, ...(await ownSources())].sort();
  const chunks = files.filter((file) => !isEntry(file)).map(({ path }) => basename(path));
  await put(join(BUNDLE, NOTE), JSON.stringify({ digest: await digestOf(madeFrom), files: madeFrom, chunks }));
  await removeOld(chunks, before);
}
