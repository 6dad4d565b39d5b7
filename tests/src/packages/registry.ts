import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, realpath } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ROOT } from "../docs/markdown.ts";

/** A registry on 127.0.0.1 that has what is installed in the workspace, and nothing else. */
export interface Registry extends AsyncDisposable {
  readonly url: string;
  /** The packages that it was asked for and does not have. */
  readonly missing: ReadonlySet<string>;
}

/** Folder in which pnpm keeps each version of each package once. A copy of the workspace has links to the same folder. */
const STORE = join(await realpath(join(ROOT, "node_modules", "typescript")), "..", "..", "..");

/** What stands before the folder in the path of a tarball. */
const TARBALL = "/-/tarball/";

const newestFirst = (a: string, b: string) => b.localeCompare(a, undefined, { numeric: true });

/** What npm wants to know of a package; undefined where no version of it is installed. */
async function describe(name: string, url: string): Promise<object | undefined> {
  const begin = `${name.replace("/", "+")}@`;
  const entries = (await readdir(STORE)).filter((entry) => entry.startsWith(begin));
  const manifests = entries.map(async (entry) => {
    const path = join(entry, "node_modules", name);
    const manifest = JSON.parse(await readFile(join(STORE, path, "package.json"), "utf8"));
    return { ...manifest, dist: { tarball: `${url}${TARBALL}${encodeURIComponent(path)}` } };
  });
  const found = await Promise.all(manifests);
  const [latest] = found.map(({ version }) => String(version)).sort(newestFirst);
  if (latest === undefined) return undefined;
  return { name, "dist-tags": { latest }, versions: Object.fromEntries(found.map((each) => [each.version, each])) };
}

/** Makes tar store linked files in full: pnpm links files of equal content, and npm leaves links out. On macOS there are no such links. */
const WHOLE = process.platform === "linux" ? ["--hard-dereference"] : [];

/** Sends a package's files, without those of its dependencies. npm takes off the first folder of each path, whatever its name. */
async function sendTarball(path: string, response: ServerResponse): Promise<void> {
  const folder = join(STORE, path);
  const args = [...WHOLE, "-cf", "-", "--exclude=node_modules", "-C", dirname(folder), basename(folder)];
  const tar = spawn("tar", args, { stdio: ["ignore", "pipe", "inherit"] });
  await Promise.all([once(tar, "exit"), pipeline(tar.stdout, response)]);
}

/** Starts one. Any npm may ask it, for as long as it is not disposed of. */
export async function startRegistry(): Promise<Registry> {
  const missing = new Set<string>();
  let url = "";

  async function answer(asked: string, response: ServerResponse): Promise<void> {
    const path = decodeURIComponent(asked);
    if (path.startsWith(TARBALL)) return await sendTarball(path.slice(TARBALL.length), response);
    const found = await describe(path.slice(1), url);
    if (found === undefined) missing.add(path.slice(1));
    response.statusCode = found === undefined ? 404 : 200;
    response.setHeader("content-type", "application/json").end(JSON.stringify(found ?? { error: "not found" }));
  }

  const server = createServer((request, response) => {
    answer(request.url ?? "/", response).catch((error: unknown) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error(`Cannot serve packages at ${address}`);
  url = `http://127.0.0.1:${address.port}`;
  return {
    url,
    missing,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
