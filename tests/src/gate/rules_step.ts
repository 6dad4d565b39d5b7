import { findHardComments } from "../docs/comments.ts";
import { readPages } from "../docs/markdown.ts";
import { findHardProse } from "../docs/prose.ts";
import { findWrongArrows, readPackageFolders } from "../rules/arrows.ts";
import { findFolderCircles } from "../rules/folder_circles.ts";
import { findUnfitPackages, readPackages } from "../rules/packages.ts";
import { findImpurePolicy } from "../rules/pure.ts";
import { readSources } from "../rules/source.ts";
import { findUnprovenFiles } from "../rules/tested_by.ts";
import { findRefusedWording } from "../rules/wording.ts";

/** Throws an error that lists every place of the workspace that breaks one of our rules. */
export async function checkRules(root: string): Promise<void> {
  const sources = await readSources(root);
  const violations = [
    ...findWrongArrows(sources, await readPackageFolders(root, sources)),
    ...findFolderCircles(sources),
    ...findRefusedWording(sources),
    ...findUnprovenFiles(sources),
    ...findImpurePolicy(sources),
    ...findUnfitPackages(await readPackages(root)),
    ...findHardComments(sources),
    ...findHardProse(await readPages()),
  ];
  if (violations.length === 0) return;
  const lines = violations.map(
    ({ path, line, message }) => `${path}${line === undefined ? "" : `:${line}`}: ${message}`,
  );
  throw new Error(lines.join("\n"));
}
