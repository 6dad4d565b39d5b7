import { dirname, join, relative } from "node:path";
import type { Source, Violation } from "./source.ts";

type Graph = ReadonlyMap<string, ReadonlySet<string>>;

/** Which folder of a package imports from which other, tests left aside: they enter by the package's face. */
function folderGraph(sources: readonly Source[]): Graph {
  const graph = new Map<string, Set<string>>();
  for (const { path, unit, folder, imports, purpose } of sources) {
    if (purpose === "test" && unit !== "tests") continue;
    const targets = graph.get(folder) ?? new Set();
    graph.set(folder, targets);
    for (const { specifier } of imports) {
      if (!specifier.startsWith(".")) continue;
      const target = relative(join(unit, "src"), dirname(join(path, "..", specifier)));
      if (target !== folder) targets.add(target);
    }
  }
  return graph;
}

/** The shortest way from one folder back to itself, or undefined. */
function wayBack(graph: Graph, start: string): string[] | undefined {
  const cameFrom = new Map<string, string>();
  const reached = [start];
  for (const folder of reached) {
    for (const next of graph.get(folder) ?? []) {
      if (next === start) {
        const way = [start];
        for (let at = folder; at !== start; at = cameFrom.get(at) ?? start) way.unshift(at);
        return [start, ...way];
      }
      if (cameFrom.has(next)) continue;
      cameFrom.set(next, folder);
      reached.push(next);
    }
  }
  return undefined;
}

/** Circles between the folders of a package; each is told once, at the first of its folders. */
export function findFolderCircles(sources: readonly Source[]): Violation[] {
  const violations: Violation[] = [];
  for (const [unit, own] of Map.groupBy(sources, (source) => source.unit)) {
    const graph = folderGraph(own);
    const told = new Set<string>();
    for (const folder of [...graph.keys()].sort()) {
      const circle = told.has(folder) ? undefined : wayBack(graph, folder);
      if (circle === undefined) continue;
      for (const member of circle) told.add(member);
      const shown = circle.map((member) => member || ".").join(" -> ");
      violations.push({
        path: join(unit, "src", folder),
        message: `the folders import each other in a circle: ${shown}`,
      });
    }
  }
  return violations;
}
