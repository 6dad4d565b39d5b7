import type * as z from "zod";
import { plainProblem } from "../format/plain_problem.ts";
import type { Path } from "./unknown_fields.ts";

/** What is wrong at one place of a document. */
export interface FieldProblem {
  readonly path: Path;
  /** Whether the name of the field is wrong, or what it holds. */
  readonly at: "key" | "value";
  readonly text: string;
}

/** All that a schema has found wrong, in the order of the document's fields. */
export function problemsOf({ issues }: z.ZodError): readonly FieldProblem[] {
  return issues.map((issue) => {
    const path = issue.path.map(String);
    // A record's own message says only that a key is wrong, and not why.
    if (issue.code === "invalid_key") return { path, at: "key", text: issue.issues.map(plainProblem).join("; ") };
    return { path, at: "value", text: plainProblem(issue) };
  });
}
