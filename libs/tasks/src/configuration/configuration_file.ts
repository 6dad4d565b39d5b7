// Tested by libs/tasks/src/configuration/configuration_file_test.ts
import type * as z from "zod";
import { whyNewer } from "./check_configuration.ts";
import { type Configuration, TOMBSTONE_MS, type VoSettings } from "./configuration.ts";
import { FileDocument, StoredDocument } from "./document.ts";
import { type FieldProblem, problemsOf } from "./field_problem.ts";
import type { Immutable } from "./fields.ts";
import { nearestName } from "./nearest_name.ts";
import { findUnknownFields, knownFieldsAt, knownPartOf, type Path, withUnknownOf } from "./unknown_fields.ts";

/** The configuration as an operator writes it: the VOs that take part, and what differs from the definitions of tasks. */
export type ConfigurationFile = Immutable<z.output<typeof FileDocument>>;

/** The result of checking what a file holds. */
export type CheckedFile =
  | { readonly kind: "good"; readonly file: ConfigurationFile }
  /** All that is wrong in it. */
  | { readonly kind: "wrong"; readonly problems: readonly FieldProblem[] };

function describeUnknown(path: Path): string {
  const name = path.at(-1) ?? "";
  const known = knownFieldsAt(FileDocument, path.slice(0, -1));
  const meant = nearestName(name, known);
  const guess = meant === undefined ? "" : `did you mean ${JSON.stringify(meant)}? `;
  return `unknown field ${JSON.stringify(name)}; ${guess}Known here are ${known.join(", ")}`;
}

/** Checks what a file holds: its form, each field, each name and each schedule. Finds all that is wrong. Never throws. */
export function checkConfigurationFile(value: unknown): CheckedFile {
  const newer = whyNewer(value);
  if (newer !== undefined)
    return { kind: "wrong", problems: [{ path: ["version"], at: "value", text: `${newer}; upgrade this program` }] };
  const { data, error } = FileDocument.safeParse(value ?? {});
  const unknown = findUnknownFields(FileDocument, value).map(
    (path): FieldProblem => ({ path, at: "key", text: describeUnknown(path) }),
  );
  const problems = [...(error === undefined ? [] : problemsOf(error)), ...unknown];
  return data !== undefined && problems.length === 0 ? { kind: "good", file: data } : { kind: "wrong", problems };
}

/** The file that would leave the configuration as it is. Fields that this version does not know are no part of it. */
export function fileOf({
  vos,
  tasks,
  version: _version,
  createdAt: _createdAt,
  ...others
}: Configuration): ConfigurationFile {
  const active = Object.entries(vos).flatMap(([vo, { state, changedAt: _changedAt, ...settings }]) =>
    state === "active" ? [[vo, settings] as const] : [],
  );
  return knownPartOf(FileDocument, { vos: Object.fromEntries(active), tasks, ...others });
}

function vosAfter(now: Configuration, { vos }: ConfigurationFile, at: string): Record<string, VoSettings> {
  const named = new Map(Object.entries(vos ?? {}));
  const after: Record<string, VoSettings> = {};
  for (const [vo, settings] of Object.entries(now.vos)) {
    if (named.has(vo)) continue;
    if (settings.state === "active") after[vo] = { ...settings, state: "removed", changedAt: at };
    else if (Date.parse(settings.changedAt) > Date.parse(at) - TOMBSTONE_MS) after[vo] = settings;
  }
  for (const [vo, settings] of named) {
    const before = Object.hasOwn(now.vos, vo) ? now.vos[vo] : undefined;
    after[vo] = { state: "active", changedAt: before?.state === "active" ? before.changedAt : at, ...settings };
  }
  // A configuration that names no VO would be taken for an accident.
  return Object.keys(after).length === 0 ? { ...now.vos } : after;
}

/**
 * The configuration with all that the file says and nothing else. VOs that it does not name become tombstones. Fields that this version
 * does not know stay as they are. `at` is the time of the change, RFC 3339.
 */
export function withFile(now: Configuration, file: ConfigurationFile, at: string): Configuration {
  const { vos: _vos, tasks, version: _version, ...others } = file;
  const kept = {
    ...(now.version === undefined ? {} : { version: now.version }),
    ...(now.createdAt === undefined ? {} : { createdAt: now.createdAt }),
  };
  const next: Configuration = { ...kept, ...others, vos: vosAfter(now, file, at), tasks: tasks ?? {} };
  return withUnknownOf(StoredDocument, next, now);
}
