import type { Configuration } from "./configuration.ts";
import { StoredDocument, VERSION } from "./document.ts";
import { problemsOf } from "./field_problem.ts";
import { findUnknownFields } from "./unknown_fields.ts";

/** Greatest number of a value's characters, and of problems, that are shown. */
const SHOWN = 200;
const PROBLEMS = 3;

/** The result of reading a text as a configuration. */
export type CheckedConfiguration =
  | {
      readonly kind: "good";
      readonly configuration: Configuration;
      /** Fields that this version does not know, as paths: misspelt, or of a newer version. They have no effect. */
      readonly unknown: readonly string[];
    }
  /** `field` is a path such as `tasks.MyPilotTask.schedule`; empty: the whole text. */
  | { readonly kind: "broken" | "newer"; readonly field: string; readonly reason: string };

function readJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined; // the caller reports it, with the text
  }
}

/** Why a document is of a newer form than this program knows; undefined: it is not. */
export function whyNewer(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("version" in value)) return undefined;
  const { version } = value;
  if (typeof version !== "number" || version <= VERSION) return undefined;
  return `it is of version ${version}, and this program knows version ${VERSION}`;
}

/** Reads a configuration: its form, the names in it, and each schedule. Never throws. */
export function checkConfiguration(text: string): CheckedConfiguration {
  const json = readJson(text);
  if (json === undefined) {
    return { kind: "broken", field: "", reason: `it is no JSON: ${JSON.stringify(text.slice(0, SHOWN))}` };
  }
  const newer = whyNewer(json.value);
  if (newer !== undefined) return { kind: "newer", field: "version", reason: newer };
  const { data, error } = StoredDocument.safeParse(json.value);
  if (error !== undefined) {
    const [first, ...more] = problemsOf(error).slice(0, PROBLEMS);
    const others = more.map(({ path, text }) => `${path.join(".")}: ${text}`);
    return { kind: "broken", field: first?.path.join(".") ?? "", reason: [first?.text ?? "", ...others].join("; ") };
  }
  const unknown = findUnknownFields(StoredDocument, data).map((path) => path.join("."));
  return { kind: "good", configuration: data, unknown };
}
