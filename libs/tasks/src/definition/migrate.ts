// Tested by libs/tasks/src/definition/migrate_test.ts
import type { JsonObject } from "./json.ts";
import { PayloadRefusedError, sizeProblem } from "./payload.ts";

/**
 * Makes a payload of one version into one of the next. It is called with a copy, and asks nobody: the same payload always becomes the same.
 *
 * Its parameter may be any type of JSON object, as `(old: { name: string }) => ({ firstName: old.name })`. Nobody has checked that the payload is
 * of that type. What it returns is checked by the next step, and in the end by the task's schema.
 */
// As a method, its parameter may be narrower than a JSON object.
export type PayloadStep = {
  /** Returns the payload as the next version has it. */
  step(old: JsonObject): JsonObject;
}["step"];

/** A step for each version of a task's payload before the present one, by the version that it begins with. */
export interface PayloadSteps {
  /** The step from this version to the next. */
  readonly [version: number]: PayloadStep;
}

/**
 * The steps from version 1 to `payloadVersion`, in order; none where `steps` is absent. Throws `RangeError` where one is missing, and where one
 * leads further.
 */
export function stepsOf(task: string, payloadVersion: number, steps: PayloadSteps | undefined): readonly PayloadStep[] {
  if (steps === undefined) return [];
  const versions = Array.from({ length: payloadVersion - 1 }, (_, index) => index + 1);
  const known = new Set(versions.map(String));
  const unknown = Object.keys(steps).find((version) => !known.has(version));
  if (unknown !== undefined) {
    const rule = `migrate has the versions before payloadVersion, which is ${payloadVersion}`;
    throw new RangeError(`Cannot define ${task}: migrate has a step from version ${unknown}; ${rule}`);
  }
  return versions.map((version) => {
    const step = steps[version];
    if (typeof step === "function") return step;
    const how = `give one, or one that throws where version ${version} is not to be understood any more`;
    throw new RangeError(`Cannot define ${task}: migrate has no step from version ${version}; ${how}`);
  });
}

/** What of a task a payload's version is compared with. */
export interface MigratableTask {
  readonly name: string;
  readonly payloadVersion: number;
  /** The first one leads from version 1 to version 2. Empty: the task's schema accepts all versions. */
  readonly payloadSteps: readonly PayloadStep[];
}

/**
 * A payload of version `version` as one of the task's own version. Leaves it alone where the task has no steps.
 *
 * Throws {@linkcode PayloadRefusedError} where a step throws, or returns what is no JSON object.
 */
export function migratePayload(task: MigratableTask, payload: JsonObject, version: number): JsonObject {
  const { name, payloadVersion, payloadSteps } = task;
  if (version >= payloadVersion || payloadSteps.length === 0) return payload;
  let migrated = structuredClone(payload);
  for (const [index, step] of payloadSteps.slice(version - 1).entries()) {
    const which = `the step from version ${version + index} of its payload`;
    try {
      migrated = step(migrated);
    } catch (cause) {
      throw new PayloadRefusedError(name, `${which} failed: ${cause instanceof Error ? cause.message : cause}`, cause);
    }
    const found: unknown = migrated;
    if (found === null || typeof found !== "object" || Array.isArray(found) || found instanceof Promise)
      throw new PayloadRefusedError(name, `${which} returned no JSON object`);
    const problem = sizeProblem(found);
    if (problem !== undefined) throw new PayloadRefusedError(name, `${which} returned too much: ${problem}`);
  }
  return migrated;
}
