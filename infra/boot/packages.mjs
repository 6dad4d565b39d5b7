import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Names that tools create among the packages while they run, and our own note. */
const NOT_INSTALLED = new Set([".cache", ".muster-install.json"]);

/** Largest number of missing folders that an error names. */
const NAMED = 3;

/** Returns the number of files, links and folders below a folder. Links are not followed. */
function count(folder, passOver) {
  let entries = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (passOver.has(entry.name)) continue;
    entries++;
    if (entry.isDirectory()) entries += count(join(folder, entry.name), passOver);
  }
  return entries;
}

/**
 * Counts installed files: for each package of pnpm's store in the workspace, and for each `node_modules` with links to them. Takes about 30
 * ms for 11,000 files.
 * @param {string} root the workspace's folder
 * @param {readonly string[]} units the folders with a package.json, relative to it
 * @returns {Record<string, number>} the counts by folder
 */
export function countPackages(root, units) {
  const counts = {};
  const store = join("node_modules", ".pnpm");
  for (const unit of units) {
    const folder = join(unit, "node_modules");
    if (existsSync(join(root, folder)))
      counts[folder] = count(join(root, folder), new Set([...NOT_INSTALLED, ".pnpm"]));
  }
  if (!existsSync(join(root, store))) return counts;
  for (const entry of readdirSync(join(root, store), { withFileTypes: true })) {
    if (entry.isDirectory()) counts[join(store, entry.name)] = count(join(root, store, entry.name), NOT_INSTALLED);
  }
  return counts;
}

/**
 * Describes what is missing since `noted` was counted; undefined: nothing. Files that were added since then do no harm.
 * @param {Record<string, number>} noted
 * @param {Record<string, number>} found
 */
export function describeMissing(noted, found) {
  const missing = Object.keys(noted).filter((folder) => (found[folder] ?? 0) < noted[folder]);
  if (missing.length === 0) return undefined;
  const named = missing
    .slice(0, NAMED)
    .map((folder) => `${folder} has ${found[folder] ?? 0} of ${noted[folder]} entries`);
  const more = missing.length > NAMED ? [`${missing.length - NAMED} more folders lack some`] : [];
  return [...named, ...more].join(", ");
}
