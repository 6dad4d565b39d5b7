import { glob, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/** One module that a package offers to others. */
export interface Face {
  /** How others import it, e.g. `@muster/tasks/operate`. */
  readonly name: string;
  /** Its source file, absolute. */
  readonly source: string;
}

/** Where a manifest's `exports` says what the types of a face are. */
type Exports = Readonly<Record<string, string | { readonly types?: string }>>;

/** The faces of all libraries that others may import, by name. A face that is given as a bare path is for our own tests alone. */
export async function findFaces(root: string): Promise<readonly Face[]> {
  const faces: Face[] = [];
  for await (const path of glob("libs/*/package.json", { cwd: root })) {
    const { name, exports }: { name: string; exports: Exports } = JSON.parse(await readFile(join(root, path), "utf8"));
    for (const [entry, face] of Object.entries(exports)) {
      if (typeof face === "string" || face.types === undefined) continue;
      faces.push({ name: join(name, entry), source: join(root, dirname(path), face.types) });
    }
  }
  return faces.sort((a, b) => (a.name < b.name ? -1 : 1));
}
