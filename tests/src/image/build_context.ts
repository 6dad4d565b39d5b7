// Tested by tests/src/image/image_test.ts
import { cp } from "node:fs/promises";
import { matchesGlob, relative } from "node:path";

/**
 * Returns whether a path goes into the build, by the lines of a `.dockerignore`. The last line that matches the path or a folder above it
 * counts, and `!` takes it in again.
 */
export function isInContext(path: string, ignoreFile: string): boolean {
  const above = path.split("/").map((_, index, parts) => parts.slice(0, index + 1).join("/"));
  let isIn = true;
  for (const line of ignoreFile.split("\n").map((each) => each.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const takesIn = line.startsWith("!");
    const pattern = takesIn ? line.slice(1) : line;
    if (above.some((each) => pattern === "**" || matchesGlob(each, pattern))) isIn = takesIn;
  }
  return isIn;
}

/** Whether a later line may take in something below a folder. */
function mayHoldMore(folder: string, ignoreFile: string): boolean {
  return ignoreFile.split("\n").some((line) => line.startsWith(`!${folder}/`));
}

/** Copies what the build may read from `root` to `target`. */
export async function copyContext(root: string, target: string, ignoreFile: string): Promise<void> {
  await cp(root, target, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => {
      const path = relative(root, source);
      return path === "" || isInContext(path, ignoreFile) || mayHoldMore(path, ignoreFile);
    },
  });
}
