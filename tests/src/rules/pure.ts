import { dirname, join } from "node:path";
import { lineAt, type Source, type Violation } from "./source.ts";

/** The folder that decides who starts next. It is tried without a server, a clock or a timer, so it must know none. */
const PURE = "libs/tasks/src/policy";
/** What it may import from besides itself. */
const KNOWN = "libs/tasks/src/definition";

const IMPURE =
  /\b(?:performance\.now|Date\b|Temporal\b|Math\.random|set(?:Timeout|Interval|Immediate)|queueMicrotask|process\.|async )/g;

/** Places where the policy looks at anything that it was not given. */
export function findImpurePolicy(sources: readonly Source[]): Violation[] {
  return sources
    .filter(({ path, purpose }) => dirname(path) === PURE && purpose === "product")
    .flatMap(({ path, text, imports }) => {
      const foreign = imports.filter(({ specifier }) => {
        const folder = dirname(join(path, "..", specifier));
        return !specifier.startsWith(".") || (folder !== PURE && folder !== KNOWN);
      });
      const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, (comment) => comment.replace(/[^\n]/g, " "));
      return [
        ...foreign.map(({ specifier, line }) => ({
          path,
          line,
          message: `the policy knows definitions and nothing else: hand it what it needs of ${specifier}`,
        })),
        ...[...code.matchAll(IMPURE)].map((match) => ({
          path,
          line: lineAt(text, match.index),
          message: `the policy has no clock, timer or chance: hand it what ${match[0].trim()} gives`,
        })),
      ];
    });
}
