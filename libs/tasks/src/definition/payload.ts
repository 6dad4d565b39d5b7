import type { StandardSchemaV1 } from "@standard-schema/spec";
import { hash } from "node:crypto";
import { plainProblem } from "../format/plain_problem.ts";
import { canonicalJson, type Json, type JsonObject } from "./json.ts";
import type { PublishableTask } from "./publishable.ts";

/** Deepest nesting and greatest number of values of a payload or result. Beyond them schema checks and readers run out of stack or time. */
export const MAX_DEPTH = 64;
export const MAX_VALUES = 20_000;

/** A payload is not what its task accepts. */
export class PayloadRefusedError extends Error {
  override readonly name = "PayloadRefusedError";
  readonly task: string;
  /** One line: the field and what is wrong with it. */
  readonly problem: string;
  constructor(task: string, problem: string, cause?: unknown) {
    super(`Cannot take this payload for ${task}: ${problem}`, { cause });
    this.task = task;
    this.problem = problem;
  }
}

/** Why `value` is too large to work on; undefined: it is not. Walks without recursion, since the value may be too deep for it. */
export function sizeProblem(value: unknown): string | undefined {
  let level: unknown[] = [value];
  let values = 0;
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return `it is nested deeper than ${MAX_DEPTH} levels`;
    values += level.length;
    if (values > MAX_VALUES) return `it holds more than ${MAX_VALUES} values`;
    const next: unknown[] = [];
    for (const part of level) {
      if (part === null || typeof part !== "object") continue;
      if (Object.hasOwn(part, "__proto__")) return `it has a field "__proto__"`;
      for (const inner of Object.values(part)) next.push(inner);
    }
    level = next;
  }
  return undefined;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a message's body as a JSON object. An empty body is `{}`, and of a field written twice the last value counts. Throws {@linkcode
 * PayloadRefusedError}.
 */
export function readPayload(task: string, body: Uint8Array): JsonObject {
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(body));
  } catch (cause) {
    const problem = cause instanceof SyntaxError ? `it is no JSON: ${cause.message}` : "it is no UTF-8";
    throw new PayloadRefusedError(task, problem, cause);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    const found = value === null ? "null" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
    throw new PayloadRefusedError(task, `it is ${found}, not a JSON object`);
  }
  const problem = sizeProblem(value);
  if (problem !== undefined) throw new PayloadRefusedError(task, problem);
  return value as JsonObject;
}

function pathOf(issue: StandardSchemaV1.Issue): string {
  return (issue.path ?? []).map((part) => String(typeof part === "object" ? part.key : part)).join(".");
}

function accept(task: string, result: StandardSchemaV1.Result<unknown>): unknown {
  if (result.issues === undefined) return result.value;
  const problems = result.issues.slice(0, 5).map((issue) => {
    const path = pathOf(issue);
    return path === "" ? plainProblem(issue) : `${path}: ${plainProblem(issue)}`;
  });
  throw new PayloadRefusedError(task, problems.join("; "));
}

/**
 * The output of the task's schema for a payload, or a promise of it where the schema is asynchronous. Throws {@linkcode
 * PayloadRefusedError}.
 */
export function checkPayload(task: PublishableTask, payload: unknown): unknown {
  const broken = (cause: unknown) =>
    new PayloadRefusedError(task.name, `its schema broke: ${cause instanceof Error ? cause.message : cause}`, cause);
  let result: StandardSchemaV1.Result<unknown> | Promise<StandardSchemaV1.Result<unknown>>;
  try {
    result = task.payload["~standard"].validate(payload);
  } catch (cause) {
    throw broken(cause);
  }
  if (!(result instanceof Promise)) return accept(task.name, result);
  return result.then(
    (settled) => accept(task.name, settled),
    (cause) => {
      throw broken(cause);
    },
  );
}

/** SHA-256 of the canonical payload, hexadecimal. */
export function payloadHash(payload: Json): string {
  return hash("sha256", canonicalJson(payload), "hex");
}

/** The hash of a payload that can be read; undefined where it cannot. */
export function hashOfReadable(task: string, body: Uint8Array): string | undefined {
  try {
    return payloadHash(readPayload(task, body));
  } catch (error) {
    if (error instanceof PayloadRefusedError) return undefined;
    throw error;
  }
}
