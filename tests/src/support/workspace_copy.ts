import { cp, glob, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";

/** The workspace's folder. */
const ROOT = join(import.meta.dirname, "..", "..", "..");

/** What is made by installing, building and running, and so is not copied. */
const MADE = new Set(["node_modules", "dist", ".git", ".turbo", ".muster"]);

/** A copy of the workspace to change and run, which goes when it is disposed of. */
export interface WorkspaceCopy extends AsyncDisposable {
  readonly root: string;
}

/** Links one package as it is linked in the workspace; a package of the workspace to its copy. */
async function link(from: string, to: string, root: string): Promise<void> {
  const target = await realpath(from);
  const inside = relative(ROOT, target);
  const isOurs = !inside.startsWith("..") && !inside.includes("node_modules");
  await symlink(isOurs ? join(root, inside) : target, to);
}

/**
 * Makes scripts that run the workspace's programs. A link to the folder would not do: whoever installs in the copy, as pnpm may by itself,
 * would write over the workspace's own.
 */
async function wrapPrograms(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const program = join(from, entry.name);
    if (entry.isSymbolicLink()) await symlink(await realpath(program), join(to, entry.name));
    else await writeFile(join(to, entry.name), `#!/bin/sh\nexec ${JSON.stringify(program)} "$@"\n`, { mode: 0o755 });
  }
}

/** Makes a `node_modules` like the workspace's own, without installing anything. */
async function linkPackages(folder: string, root: string): Promise<void> {
  const copy = join(root, relative(ROOT, folder));
  await mkdir(copy, { recursive: true });
  for (const name of await readdir(folder)) {
    if (name.startsWith("@")) await linkPackages(join(folder, name), root);
    else if (name === ".bin") await wrapPrograms(join(folder, name), join(copy, name));
    else if (!name.startsWith(".")) await link(join(folder, name), join(copy, name), root);
  }
}

/** Copies the workspace as it is now, ready to run. */
export async function copyWorkspace(): Promise<WorkspaceCopy> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "muster-copy-")));
  await cp(ROOT, root, { recursive: true, filter: (path) => !MADE.has(basename(path)) });
  for await (const manifest of glob(["package.json", "{apps,libs,infra}/*/package.json", "tests/package.json"], {
    cwd: ROOT,
  })) {
    await linkPackages(join(ROOT, dirname(manifest), "node_modules"), root);
  }
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}
