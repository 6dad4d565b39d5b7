import { glob, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Violation } from "./source.ts";

/** What a `package.json` of a library says, as far as it is looked at. */
export interface Manifest {
  readonly name?: string;
  readonly private?: boolean;
  readonly description?: string;
  readonly version?: string;
  readonly license?: string;
  readonly engines?: Readonly<Record<string, string>>;
  readonly files?: readonly string[];
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly publishConfig?: { readonly exports?: Readonly<Record<string, unknown>> };
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** A package of the workspace. */
export interface WorkspacePackage {
  /** E.g. `libs/tasks`. */
  readonly unit: string;
  readonly manifest: Manifest;
  /** The names of the files beside its `package.json`. */
  readonly files: readonly string[];
}

/** What stands in each library's `package.json`, word for word. */
const SAME: Manifest = {
  license: "Apache-2.0",
  engines: { node: ">=24" },
  scripts: {
    build: "tsc -p tsconfig.json --noCheck",
    prepack: "rm -rf dist && tsc -p tsconfig.json --noCheck",
    tarball: "pnpm pack --pack-destination ../../dist",
  },
};

/** Part of a package for our own tests alone. */
const TESTING = "./src/testing/";

/** The files of a package: what is built, and the sources that its maps lead to. */
function filesOf({ exports = {} }: Manifest): string[] {
  const hasTesting = Object.values(exports).some((face) => typeof face === "string" && face.startsWith(TESTING));
  return ["dist", "src", "!**/*_test.ts", ...(hasTesting ? ["!src/testing"] : [])];
}

/** What others are to see for each face of a library: what was built. A face that is given as a bare path is for our own tests. */
function publishedOf({ exports = {} }: Manifest): Record<string, unknown> {
  const published = Object.entries(exports).flatMap(([path, face]) => {
    if (typeof face !== "object" || face === null || !("types" in face)) return [];
    const built = String(face.types).replace(/^\.\/src\/(.*)\.ts$/, "./dist/$1");
    return [[path, { types: `${built}.d.ts`, default: `${built}.js` }] as const];
  });
  return { ...Object.fromEntries(published), "./package.json": "./package.json" };
}

function isSame(found: unknown, wanted: unknown): boolean {
  return JSON.stringify(found) === JSON.stringify(wanted);
}

/** Where a library is no package that others can use. */
export function findUnfitPackages(packages: readonly WorkspacePackage[]): Violation[] {
  const closed = new Set(packages.filter(({ manifest }) => manifest.private).map(({ manifest }) => manifest.name));
  return packages
    .filter(({ unit }) => unit.startsWith("libs/"))
    .flatMap(({ unit, manifest, files }) => {
      const path = `${unit}/package.json`;
      const wanted = { ...SAME, files: filesOf(manifest), publishConfig: { exports: publishedOf(manifest) } };
      const problems = Object.entries(wanted)
        .filter(([key, value]) => !isSame(Reflect.get(manifest, key), value))
        .map(([key, value]) => `"${key}" is to be ${JSON.stringify(value)}`);
      if (manifest.private === true) problems.push("a library is for others too: leave out private");
      if (!manifest.version || !manifest.description) problems.push("name a version and a description");
      if (!files.includes("README.md")) problems.push("a README.md is missing beside it");
      const needed = Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies });
      for (const name of needed.filter((each) => closed.has(each))) {
        problems.push(`${name} is private, so nobody else can install it`);
      }
      return problems.map((message) => ({ path, message }));
    });
}

/** The packages of the workspace. */
export async function readPackages(root: string): Promise<WorkspacePackage[]> {
  const packages: WorkspacePackage[] = [];
  for await (const path of glob("{apps,libs,infra}/*/package.json", { cwd: root })) {
    const unit = dirname(path);
    const files: string[] = [];
    for await (const name of glob("*", { cwd: join(root, unit) })) files.push(name);
    packages.push({ unit, files, manifest: JSON.parse(await readFile(join(root, path), "utf8")) });
  }
  return packages.sort((a, b) => a.unit.localeCompare(b.unit));
}
