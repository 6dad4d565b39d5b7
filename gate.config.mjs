import config from "./ava.config.mjs";

/** The configuration of ava in `npm test`, which runs several test files in one thread; see tests/src/gate/plan_groups.ts. */
export default {
  ...config,
  files: [".muster/groups/*_test.ts"],
  // Above the limit of run_group.ts, which names the one test that hangs.
  timeout: "12m",
  // Many files wait more than they work.
  concurrency: 4,
  sortTestFiles: (a, b) => (a < b ? -1 : 1),
};
