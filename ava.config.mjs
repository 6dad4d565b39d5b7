export default {
  extensions: ["ts"],
  files: [
    "{apps,libs}/*/src/**/*_test.ts",
    "infra/local/src/**/*_test.ts",
    "tests/{src,bench}/**/*_test.ts",
    "extensions/**/*_test.ts",
  ],
  // As long as in npm test; see tests/src/gate/run_group.ts.
  timeout: "10m",
  // Many files wait more than they work; with a file a core, a third of the cores' time is left over.
  concurrency: 3,
};
