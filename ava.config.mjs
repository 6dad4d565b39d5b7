export default {
  extensions: ["ts"],
  files: ["{apps,libs}/*/src/**/*_test.ts", "infra/local/src/**/*_test.ts", "tests/{src,bench}/**/*_test.ts"],
  timeout: "2m",
};
