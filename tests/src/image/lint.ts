// Tested by tests/src/image/image_test.ts
import { lastStep, readDockerfile, type Stage, type Step } from "./dockerfile.ts";

/** What is wrong at a line of a Dockerfile. */
export interface Finding {
  readonly line: number;
  readonly what: string;
}

type Rule = (stage: Stage, stages: readonly Stage[]) => readonly Finding[];

/** Findings at each step of a stage for which `judge` has some words. */
function atSteps(judge: (step: Step) => string | undefined): Rule {
  return ({ steps }) =>
    steps.flatMap((step) => {
      const what = judge(step);
      return what === undefined ? [] : [{ line: step.line, what }];
    });
}

/** hadolint DL3006 and DL3007: a base without a version is another one tomorrow. */
const baseHasVersion: Rule = ({ base, line }, stages) => {
  if (stages.some(({ name }) => name === base)) return [];
  const [, tag = ""] = /:([^:/@]+)(?:@|$)/.exec(base) ?? [];
  const isPinned = tag !== "" && tag !== "latest" && /\d/.test(base);
  return isPinned ? [] : [{ line, what: `${base} has no version` }];
};

/** DL3022. */
const copiesFromStages: Rule = ({ steps }, stages) =>
  steps
    .filter(({ flags }) => flags.from !== undefined && !stages.some(({ name }) => name === flags.from))
    .map(({ line, flags }) => ({ line, what: `--from=${flags.from} names no stage` }));

const RULES: readonly Rule[] = [
  baseHasVersion,
  copiesFromStages,
  // DL3000
  atSteps(({ keyword, text }) =>
    keyword === "WORKDIR" && !text.startsWith("/") ? `WORKDIR ${text} is no absolute path` : undefined,
  ),
  // DL3003
  atSteps(({ keyword, text }) =>
    keyword === "RUN" && /(?:^|&& *|; *)cd /.test(text) ? "RUN cd: use WORKDIR" : undefined,
  ),
  // DL3004
  atSteps(({ keyword, text }) => (keyword === "RUN" && /\bsudo\b/.test(text) ? "RUN with sudo" : undefined)),
  // DL3020
  atSteps(({ keyword }) => (keyword === "ADD" ? "ADD unpacks and downloads: use COPY" : undefined)),
  // DL4000
  atSteps(({ keyword }) => (keyword === "MAINTAINER" ? "MAINTAINER is deprecated: use LABEL" : undefined)),
  // DL3025: a shell would be process 1, and would not pass signals on
  atSteps(({ keyword, strings }) =>
    ["CMD", "ENTRYPOINT", "HEALTHCHECK"].includes(keyword) && strings === undefined
      ? `${keyword} is not a JSON array of strings`
      : undefined,
  ),
  // Values that need quotes would need a shell's parser in this test
  atSteps(({ keyword, text }) =>
    keyword === "ENV" && !/^(?:[A-Z_]+=[^\s"'$]+ ?)+$/.test(text) ? "ENV has other than NAME=value" : undefined,
  ),
  // Who looks into an image finds them
  atSteps(({ keyword, text }) =>
    (keyword === "ENV" || keyword === "ARG") && /PASSWORD|SECRET|TOKEN|CREDS|DATABASE_URL|NKEY|SEED/.test(text)
      ? `${keyword} has a secret`
      : undefined,
  ),
  // A pipe hides the failure of all but its last command: DL4006
  atSteps(({ keyword, text }) =>
    keyword === "RUN" && /[^|]\|[^|]/.test(text) ? "RUN with a pipe hides a failure" : undefined,
  ),
];

/** Rules for the image itself, which is the last stage. */
function lintImage(image: Stage): readonly Finding[] {
  const findings: Finding[] = [];
  const { line } = image;
  const user = lastStep(image, "USER")?.text ?? "";
  // DL3002; and Kubernetes cannot see whether a name is root's
  if (!/^[1-9]\d*(?::[1-9]\d*)?$/.test(user)) findings.push({ line, what: `USER "${user}" is no number above 0` });
  for (const keyword of ["ENTRYPOINT", "CMD", "HEALTHCHECK", "WORKDIR"]) {
    const found = image.steps.filter((step) => step.keyword === keyword);
    // DL4003 and DL4004: all but the last one count for nothing
    if (found.length !== 1) findings.push({ line, what: `${keyword} stands there ${found.length} times` });
  }
  for (const { line: at } of image.steps.filter(({ keyword }) => keyword === "RUN"))
    findings.push({ line: at, what: "RUN in the image itself, which has no shell" });
  return findings;
}

/** What is wrong with a Dockerfile, by the rules of hadolint that matter here and some of our own. */
export function lintDockerfile(content: string): readonly Finding[] {
  const stages = readDockerfile(content);
  const image = stages.at(-1);
  const found = stages.flatMap((stage) => RULES.flatMap((rule) => rule(stage, stages)));
  return [...found, ...(image === undefined ? [{ line: 1, what: "no FROM" }] : lintImage(image))].sort(
    (a, b) => a.line - b.line,
  );
}
