import config from "./ava.config.mjs";

/** The configuration of ava in `npm test`, which runs several test files in one thread; see tests/src/gate/plan_groups.ts. */
export default {
  ...config,
  files: [".muster/groups/*_test.ts"],
  // Many files wait more than they work.
  concurrency: 4,
  sortTestFiles: (a, b) => (a < b ? -1 : 1),
};
