import * as z from "zod";
import { InvalidScheduleError } from "../definition/invalid_schedule.ts";
import { parseSchedule } from "../definition/schedule_text.ts";
import { checkTaskName, checkVoName, InvalidNameError, NO_VO } from "../format/names.ts";
import type { Configuration } from "./configuration.ts";

/** Version of the configuration's form. A newer program writes a higher one, which this program cannot read. */
const VERSION = 1;
/** Greatest number of a value's characters, and of issues, that are shown. */
const SHOWN = 200;
const ISSUES = 3;

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

function problemOf(check: () => unknown): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof InvalidNameError || error instanceof InvalidScheduleError) return error.message;
    throw error;
  }
}

/** The schema of a text that `check` accepts. */
function textFor(check: (text: string) => unknown) {
  return z.string().superRefine((text, context) => {
    const message = problemOf(() => check(text));
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });
}

const ScheduleSettings = { enabled: z.boolean().optional(), schedule: textFor(parseSchedule).optional() };
const OfVo = z.looseObject(ScheduleSettings);
const TaskSettings = z.looseObject({ ...ScheduleSettings, vos: z.record(z.string(), OfVo).optional() });
const Time = z.string().refine((text) => !Number.isNaN(Date.parse(text)), "it is no time; write RFC 3339");
const VoSettings = z.looseObject({
  state: z.enum(["active", "removed"]),
  changedAt: Time,
  weight: z.number().int().min(1).max(1000).optional(),
});
const Document = z.looseObject({
  version: z.number().optional(),
  createdAt: Time.optional(),
  vos: z.record(z.string(), VoSettings).default({}),
  tasks: z.record(z.string(), TaskSettings).default({}),
});

const FIELDS = ["version", "createdAt", "vos", "tasks"];
const VO_FIELDS = ["state", "changedAt", "weight"];
const SCHEDULE_FIELDS = ["enabled", "schedule"];

function unknownIn(value: object, path: string, known: readonly string[]): string[] {
  return Object.keys(value).flatMap((field) => (known.includes(field) ? [] : [`${path}${field}`]));
}

function unknownFields(configuration: Configuration): readonly string[] {
  const ofVos = Object.entries(configuration.vos).flatMap(([vo, value]) => unknownIn(value, `vos.${vo}.`, VO_FIELDS));
  const ofTasks = Object.entries(configuration.tasks).flatMap(([task, value]) => [
    ...unknownIn(value, `tasks.${task}.`, [...SCHEDULE_FIELDS, "vos"]),
    ...Object.entries(value.vos ?? {}).flatMap(([vo, of]) =>
      unknownIn(of, `tasks.${task}.vos.${vo}.`, SCHEDULE_FIELDS),
    ),
  ]);
  return [...unknownIn(configuration, "", FIELDS), ...ofVos, ...ofTasks];
}

type Problem = Exclude<CheckedConfiguration, { kind: "good" }>;

/** The first name among the fields that cannot be used; undefined: none. */
function findBadName({ vos, tasks }: Configuration): Problem | undefined {
  const voNames = Object.keys(vos).map((vo): [string, string] => [`vos.${vo}`, vo]);
  for (const [task, { vos: ofVos = {} }] of Object.entries(tasks)) {
    const reason = problemOf(() => checkTaskName(task));
    if (reason !== undefined) return { kind: "broken", field: `tasks.${task}`, reason };
    for (const vo of Object.keys(ofVos)) if (vo !== NO_VO) voNames.push([`tasks.${task}.vos.${vo}`, vo]);
  }
  for (const [field, vo] of voNames) {
    const reason = problemOf(() => checkVoName(vo));
    if (reason !== undefined) return { kind: "broken", field, reason };
  }
  return undefined;
}

function readJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined; // the caller reports it, with the text
  }
}

function isNewer(value: unknown): value is { readonly version: number } {
  if (typeof value !== "object" || value === null || !("version" in value)) return false;
  return typeof value.version === "number" && value.version > VERSION;
}

/** Reads a configuration: its form, the names in it, and each schedule. Never throws. */
export function checkConfiguration(text: string): CheckedConfiguration {
  const json = readJson(text);
  if (json === undefined) {
    return { kind: "broken", field: "", reason: `it is no JSON: ${JSON.stringify(text.slice(0, SHOWN))}` };
  }
  if (isNewer(json.value)) {
    const reason = `it is of version ${json.value.version}, and this program knows version ${VERSION}`;
    return { kind: "newer", field: "version", reason };
  }
  const { data, error } = Document.safeParse(json.value);
  if (error !== undefined) {
    const [first, ...more] = error.issues.slice(0, ISSUES);
    const field = first?.path.join(".") ?? "";
    const others = more.map(({ path, message }) => `${path.join(".")}: ${message}`);
    return { kind: "broken", field, reason: [first?.message ?? "", ...others].join("; ") };
  }
  return findBadName(data) ?? { kind: "good", configuration: data, unknown: unknownFields(data) };
}
