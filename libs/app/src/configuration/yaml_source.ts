// Tested by apps/cli/src/config/wrong_files_test.ts
// Tested by libs/app/src/configuration/round_trip_test.ts
import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLParseError,
} from "yaml";

/** Greatest depth of a file's objects and lists. */
const MAX_DEPTH = 32;

const TOO_DEEP = `it nests deeper than ${MAX_DEPTH} levels`;

/** A place in a text, both numbers from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** What is wrong at one place of a text, before anybody asks what it says. */
export interface SourceProblem extends Place {
  readonly text: string;
}

/** What a YAML text says, and where. */
export interface YamlSource {
  /** As JSON has it; undefined: the text is empty. */
  readonly value: unknown;
  readonly problems: readonly SourceProblem[];
  /** Whether the text could be read as YAML. Otherwise `value` may be anything. */
  readonly isYaml: boolean;
  /** Where the value under a path stands, or its key; the nearest place around it where it is not there. */
  placeOf(path: readonly string[], at: "key" | "value"): Place;
}

const START: Place = { line: 1, column: 1 };

type Offsets = Map<string, { readonly key: number; readonly value: number }>;

/** Says why a number cannot be kept as it is written; undefined: it can, or it is none. */
function numberProblem(value: unknown, source = ""): string | undefined {
  if (typeof value !== "number") return undefined;
  if (!Number.isFinite(value)) return `${source} is no number that JSON has; write another, or quote it as a text`;
  if (Number.isSafeInteger(value) || !Number.isInteger(value) || !/^[-+]?[0-9]+$/.test(source)) return undefined;
  return `${source} has more digits than a number keeps; quote it as a text`;
}

/** Turns the nodes of a document into what JSON has, and notes where each stood. */
class Reader {
  readonly offsets: Offsets = new Map();
  readonly problems: { readonly offset: number; readonly text: string }[] = [];

  read(node: unknown, path: readonly string[]): unknown {
    if (isAlias(node)) return this.#refuse(node, "an alias (*) is not taken; write the value itself");
    if (isScalar(node)) {
      this.#checkPlain(node, "a value");
      const problem = numberProblem(node.value, node.source);
      return problem === undefined ? node.value : this.#refuse(node, problem);
    }
    if (!isMap(node) && !isSeq(node)) return null;
    this.#checkPlain(node, "an object");
    if (path.length >= MAX_DEPTH) return this.#refuse(node, TOO_DEEP);
    if (isSeq(node)) return node.items.map((item, index) => this.read(item, [...path, String(index)]));
    const fields: Record<string, unknown> = {};
    for (const pair of node.items) this.#readPair(pair, path, fields);
    return fields;
  }

  #readPair({ key: keyNode, value }: Pair, path: readonly string[], fields: Record<string, unknown>): void {
    const key = this.#keyOf(keyNode);
    const keyAt = offsetOf(keyNode) ?? 0;
    if (key === undefined) return;
    const here = [...path, key];
    if (key === "__proto__") this.#refuse(keyNode, `"__proto__" is no name of a field`);
    else if (Object.hasOwn(fields, key)) {
      this.#refuse(keyNode, `${JSON.stringify(key)} stands here twice; keep one of them`);
    } else {
      this.offsets.set(JSON.stringify(here), { key: keyAt, value: offsetOf(value) ?? keyAt });
      fields[key] = this.read(value, here);
    }
  }

  /** The key as it is written, so that a VO may be called `123` or `true`. */
  #keyOf(node: unknown): string | undefined {
    if (isAlias(node)) return void this.#refuse(node, "an alias (*) is not taken; write the key itself");
    if (!isScalar(node)) return void this.#refuse(node, "a key must be a text");
    this.#checkPlain(node, "a key");
    return node.type === "PLAIN" ? (node.source ?? String(node.value)) : String(node.value);
  }

  #checkPlain(node: Node, what: string): void {
    if (!isAlias(node) && "anchor" in node && node.anchor !== undefined)
      this.#refuse(node, `an anchor (&) is not taken; write ${what} where it is wanted`);
    if ("tag" in node && node.tag !== undefined)
      this.#refuse(node, `a tag (${String(node.tag)}) is not taken; leave it out`);
  }

  #refuse(node: unknown, text: string): null {
    this.problems.push({ offset: offsetOf(node) ?? 0, text });
    return null;
  }
}

function offsetOf(node: unknown): number | undefined {
  if (isPair(node)) return offsetOf(node.key);
  if (typeof node !== "object" || node === null || !("range" in node) || !Array.isArray(node.range)) return undefined;
  const [start]: unknown[] = node.range;
  return typeof start === "number" ? start : undefined;
}

/** Whether no YAML text has this character: a control character that is no tab, line feed or carriage return. */
function isForbidden(code: number): boolean {
  return code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d;
}

function findForbidden(text: string, lines: LineCounter): readonly SourceProblem[] {
  const found: SourceProblem[] = [];
  for (let index = 0; index < text.length; index++) {
    if (!isForbidden(text.charCodeAt(index))) continue;
    const character = JSON.stringify(text[index]);
    found.push({ ...placeAt(lines, index), text: `it holds the control character ${character}; take it out` });
  }
  return found;
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return line === 0 ? START : { line, column: col };
}

/** Where a tab stands in the indentation of a line; undefined: none does. */
function findTab(text: string, { lineStarts }: LineCounter, line: number): Place | undefined {
  const [indentation = ""] = /^[ \t]*/.exec(text.slice(lineStarts[line - 1])) ?? [];
  const at = indentation.indexOf("\t");
  return at === -1 ? undefined : { line, column: at + 1 };
}

/** An error of the parser, in our words. Whatever it says of a line with a tab in its indentation, the tab is why. */
function problemOf({ pos, code, message }: YAMLParseError, text: string, lines: LineCounter): SourceProblem {
  const place = placeAt(lines, pos[0]);
  if (code === "MULTIPLE_DOCS") return { ...place, text: "a second document begins here; one file holds one" };
  const tab = findTab(text, lines, place.line);
  const isTab = tab !== undefined || code === "TAB_AS_INDENT";
  return { ...(tab ?? place), text: isTab ? "tabs are not allowed for indentation; write spaces" : message };
}

/** Reads a YAML 1.2 text as one document of objects, lists, texts, numbers and booleans. Never throws. */
export function readYaml(text: string): YamlSource {
  const lines = new LineCounter();
  const reader = new Reader();
  const problems: SourceProblem[] = [];
  let value: unknown;
  let isYaml = true;
  try {
    // The check for fields that stand twice is ours: for YAML 123 and "123" are two keys.
    const options = {
      lineCounter: lines,
      uniqueKeys: false,
      prettyErrors: false,
      version: "1.2",
      schema: "core",
    } as const;
    const { errors, contents, directives } = parseDocument(text, options);
    isYaml = errors.length === 0;
    // Where the stack had no more room for the parser, nothing that it says of the rest is worth reading.
    if (errors.some(({ code }) => code === "RESOURCE_EXHAUSTION")) throw new RangeError(TOO_DEEP);
    problems.push(...errors.map((error) => problemOf(error, text, lines)));
    if (directives.yaml.explicit === true && directives.yaml.version !== "1.2")
      problems.push({ ...START, text: `it says that it is YAML ${directives.yaml.version}, and Muster reads 1.2` });
    if (contents !== null) value = reader.read(contents, []);
    problems.push(...reader.problems.map(({ offset, text }) => ({ ...placeAt(lines, offset), text })));
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    isYaml = false;
    problems.push({ ...START, text: TOO_DEEP });
  }
  const forbidden = findForbidden(text, lines);

  function placeOf(path: readonly string[], at: "key" | "value"): Place {
    for (let length = path.length; length > 0; length--) {
      const found = reader.offsets.get(JSON.stringify(path.slice(0, length)));
      // What is missing is told where the object begins that misses it.
      if (found !== undefined) return placeAt(lines, length < path.length ? found.key : found[at]);
    }
    return START;
  }
  const all = new Map([...forbidden, ...problems].map((each) => [`${each.line}:${each.column} ${each.text}`, each]));
  return { value, problems: [...all.values()], isYaml: isYaml && forbidden.length === 0, placeOf };
}
