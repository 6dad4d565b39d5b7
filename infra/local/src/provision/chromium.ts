// Tested by apps/dashboard/src/browser/browser_test.ts
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { addToCache, type CachedProgram, checked, findCaches, openCache } from "./cache.ts";
import { openPrivateApt } from "./private_apt.ts";
import { findOnPath, run } from "./run.ts";
import { type Errand, obtainFirst, type Progress, type Refusal, type Source } from "./source.ts";

/** A Chromium, or why there is none. */
export type Chromium = { readonly path: string } | { readonly path: undefined; readonly refusals: readonly Refusal[] };

/** Names under which systems have it. */
const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/** Where macOS has it. */
const ON_MACOS = [
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
/** Longest time for its first answer, ms. */
const ANSWER_MS = 30_000;

async function check(binary: string): Promise<void> {
  await run(binary, ["--version"], { timeoutMs: ANSWER_MS });
}

const ANY: CachedProgram = { name: "chromium", file: "chromium", check };

/** A folder of the cache with the unpacked packages; in it `run` starts the browser. */
const UNPACKED: CachedProgram = {
  name: "chromium",
  file: "chromium-debian",
  check: (folder) => check(join(folder, "run")),
};

/** Starts the browser of the folder that it lies in, with the libraries beside it. */
const RUN = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
libraries=$(echo "$here"/usr/lib/*-linux-gnu "$here"/lib/*-linux-gnu "$here"/usr/lib/*-linux-gnu/nss | tr ' ' ':')
export LD_LIBRARY_PATH="$libraries:$LD_LIBRARY_PATH"
exec "$here/usr/lib/chromium/chromium" "$@"
`;

/** The release of Debian that this machine runs: only its packages fit the machine's own libraries. */
async function ownSuite(): Promise<string> {
  const [, suite] = /^VERSION_CODENAME=(\w+)$/m.exec(await readFile("/etc/os-release", "utf8").catch(() => "")) ?? [];
  if (suite === undefined) throw new Error("this machine does not say which release of Debian it runs");
  return suite;
}

async function unpack(scratch: string, { progress, signal }: Errand): Promise<string> {
  const suite = await ownSuite();
  const apt = await openPrivateApt({
    ...{ folder: scratch, suite, signal },
    progress: (mirror) =>
      progress(`chromium: taking it from Debian ${suite} at ${mirror}, which changes nothing on this machine`),
  });
  const root = await apt.unpackWithNeeds(["chromium"]);
  await writeFile(join(root, "run"), RUN, { mode: 0o755 });
  return root;
}

async function fromApt(errand: Errand): Promise<string> {
  const cache = await errand.openCache();
  // A folder is not renamed over another one. What lies there does not run, or it would have been taken.
  const old = join(cache, UNPACKED.file);
  await rename(old, `${old}.old`).catch(() => undefined);
  await rm(`${old}.old`, { recursive: true, force: true });
  return join(await addToCache(cache, UNPACKED, (scratch) => unpack(scratch, errand)), "run");
}

async function onPath(): Promise<string> {
  for (const name of NAMES) {
    const found = await findOnPath(name);
    if (found !== undefined) return await checked(found, ANY);
  }
  throw new Error("it is not there");
}

/**
 * Finds a Chromium or Chrome: `CHROMIUM`, PATH, macOS' applications, the caches, and then Debian's packages, which are unpacked into the cache and
 * not installed. Only tests and pictures need it.
 *
 * Throws the reason of `signal` when that aborts.
 */
export async function provisionChromium(progress: Progress, signal?: AbortSignal): Promise<Chromium> {
  const errand = { openCache, progress, signal };
  const set = process.env["CHROMIUM"];
  const caches = await findCaches();
  const sources: Source[] = [
    ...(set ? [{ name: "CHROMIUM", obtain: () => checked(set, ANY) }] : []),
    { name: "PATH", obtain: onPath },
    ...ON_MACOS.filter(() => process.platform === "darwin").map((path) => ({
      ...{ name: path, obtain: () => checked(path, ANY) },
    })),
    ...caches.map((cache) => ({
      name: `the cache ${cache}`,
      obtain: async () => join(await checked(join(cache, UNPACKED.file), UNPACKED), "run"),
    })),
    { name: "Debian", obtain: fromApt },
  ];
  const found = await obtainFirst(ANY.name, sources, errand);
  return typeof found === "string" ? { path: found } : { path: undefined, refusals: found };
}
