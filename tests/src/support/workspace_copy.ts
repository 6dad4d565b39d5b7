import { cp, glob, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative } from "node:path";

/** The workspace's folder. */
const ROOT = join(import.meta.dirname, "..", "..", "..");

/** Names of what installing, building and running creates. It is not copied. */
const MADE = new Set(["node_modules", "dist", ".git", ".turbo", ".muster"]);

/** A copy of the workspace that a test may change and run. It is deleted when it is disposed of. */
export interface WorkspaceCopy extends AsyncDisposable {
  readonly root: string;
}

/** Links a package to where the workspace links it. A package of the workspace itself is linked to its copy. */
async function link(from: string, to: string, root: string): Promise<void> {
  const target = await realpath(from);
  const inside = relative(ROOT, target);
  const isOurs = !inside.startsWith("..") && !inside.includes("node_modules");
  await symlink(isOurs ? join(root, inside) : target, to);
}

/**
 * Makes scripts that run the workspace's programs. A link to their folder would not do. An install in the copy, which pnpm may start by
 * itself, would overwrite the workspace's own programs.
 */
async function wrapPrograms(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const program = join(from, entry.name);
    if (entry.isSymbolicLink()) await symlink(await realpath(program), join(to, entry.name));
    else await writeFile(join(to, entry.name), `#!/bin/sh\nexec ${JSON.stringify(program)} "$@"\n`, { mode: 0o755 });
  }
}

/** Makes a `node_modules` like the workspace's, without an install. */
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
