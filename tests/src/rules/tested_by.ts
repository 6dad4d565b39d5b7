import type { Source, Violation } from "./source.ts";

/** Length from which a file needs a test beside it, or a line that says where its tests are; lines. */
const LONG = 100;

const POINTER = /^\/\/ Tested by (\S+)$/gm;
/** For what no test can run; the reason stands behind it. */
const BY_HAND = /^\/\/ Tested by hand: \S/m;

function isLong({ text }: Source): boolean {
  return text.split("\n").length - 1 > LONG;
}

/** Long files that neither have a test beside them nor name one, and files that name a test which does not exist. */
export function findUnprovenFiles(sources: readonly Source[]): Violation[] {
  const tests = new Set(sources.map(({ path }) => path).filter((path) => path.endsWith("_test.ts")));
  return sources
    .filter(({ purpose }) => purpose === "product")
    .flatMap((source) => {
      const { path, text } = source;
      const named = [...text.matchAll(POINTER)].map(([, test = ""]) => test);
      const gone = named
        .filter((test) => !tests.has(test))
        .map((test) => ({ path, message: `it says that ${test} tests it, and there is no such test` }));
      const isProven = named.length > 0 || BY_HAND.test(text) || tests.has(path.replace(/\.ts$/, "_test.ts"));
      // A face only names what other files export.
      if (isProven || !isLong(source) || path.endsWith("/mod.ts")) return gone;
      const message = `it has over ${LONG} lines and no test beside it: begin it with "// Tested by PATH OF THE TEST"`;
      return [...gone, { path, line: 1, message }];
    });
}
