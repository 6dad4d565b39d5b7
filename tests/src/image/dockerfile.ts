// Tested by tests/src/image/image_test.ts
import { DockerfileParser, type Instruction, ModifiableInstruction } from "dockerfile-ast";

/** One instruction of a Dockerfile. */
export interface Step {
  /** In capitals, e.g. `COPY`. */
  readonly keyword: string;
  /** `--from=build` is `from: "build"`. */
  readonly flags: Readonly<Record<string, string>>;
  /** All after the flags, with lines that go on joined. */
  readonly text: string;
  /** The strings of the JSON array that ends the text; undefined where it ends otherwise. */
  readonly strings: readonly string[] | undefined;
  /** Its first line, from 1 on. */
  readonly line: number;
}

/** What one `FROM` begins. */
export interface Stage {
  /** Name of the image or stage that it begins with. */
  readonly base: string;
  readonly name: string | undefined;
  readonly line: number;
  readonly steps: readonly Step[];
}

function stringsIn(text: string): readonly string[] | undefined {
  const array = /\[.*\]$/.exec(text)?.[0];
  if (array === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(array);
    return Array.isArray(parsed) && parsed.every((each) => typeof each === "string") ? parsed : undefined;
  } catch {
    return undefined; // a shell's brackets, as in `[ -f x ]`
  }
}

function stepOf(instruction: Instruction): Step {
  const flags = instruction instanceof ModifiableInstruction ? instruction.getFlags() : [];
  const all = instruction.getArgumentsContent() ?? "";
  const joined = all.replace(/\\\n/g, " ").replace(/\s+/g, " ").trim();
  const text = joined.replace(/^(?:--[a-z-]+(?:=\S+)? )+/, "");
  return {
    keyword: instruction.getKeyword(),
    flags: Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? ""])),
    text,
    strings: stringsIn(text),
    line: instruction.getRange().start.line + 1,
  };
}

/** Reads a Dockerfile. Throws where an instruction stands before the first `FROM`; variables in `FROM` are not known here. */
export function readDockerfile(content: string): readonly Stage[] {
  const stages: (Stage & { readonly steps: Step[] })[] = [];
  for (const instruction of DockerfileParser.parse(content).getInstructions()) {
    const step = stepOf(instruction);
    if (step.keyword === "FROM") {
      const [base = "", , name] = step.text.split(" ");
      stages.push({ base, name, line: step.line, steps: [] });
      continue;
    }
    const stage = stages.at(-1);
    if (stage === undefined)
      throw new Error(`Cannot read the Dockerfile: ${step.keyword} in line ${step.line} has no FROM before it`);
    stage.steps.push(step);
  }
  return stages;
}

/** The last step with this keyword; undefined: there is none. */
export function lastStep({ steps }: Stage, keyword: string): Step | undefined {
  return steps.findLast((step) => step.keyword === keyword);
}

/** What the `ENV` steps of a stage set. Values have neither spaces nor quotes here; see lint.ts. */
export function environmentOf({ steps }: Stage): Record<string, string> {
  const pairs = steps.filter(({ keyword }) => keyword === "ENV").flatMap(({ text }) => text.split(" "));
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}
