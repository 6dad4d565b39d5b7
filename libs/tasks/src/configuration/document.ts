import * as z from "zod";
import { checkTaskName, checkVoName, NAME_PATTERNS, NO_VO } from "../format/names.ts";
import { fields, textFor, Time } from "./fields.ts";
import { limitFields, limitSettings } from "./limit_settings.ts";
import { instanceFields } from "./instance_settings.ts";
import { runFields } from "./run_settings.ts";
import { scheduleFields } from "./schedule_settings.ts";

/** Version of the document's form. A newer program writes a higher one, which this program cannot read. */
export const VERSION = 1;

const VoName = textFor(checkVoName).meta({ description: "A VO's name.", pattern: NAME_PATTERNS.vo });
const VoNameOrNone = textFor((vo) => (vo === NO_VO ? vo : checkVoName(vo))).meta({
  description: "A VO's name; _ for a task that is not per VO.",
  pattern: `^_$|${NAME_PATTERNS.vo}`,
});
const TaskName = textFor(checkTaskName).meta({ description: "A task's name.", pattern: NAME_PATTERNS.task });

/** What an operator may say of a VO. */
const voFields = {
  weight: z
    .number()
    .int()
    .min(1)
    .max(1_000)
    .describe("Share of the turns among VOs of one priority. Default: 1.")
    .optional(),
};

/** What a task may have for all VOs, and for one alone. Each part adds a line. */
const overrides = {
  ...scheduleFields,
  ...runFields,
  ...limitFields,
};

/** What a task may have. What only the whole task may have is added here, by a line. */
const TaskSettings = fields({
  ...overrides,
  ...instanceFields,
  vos: z
    .record(VoNameOrNone, fields(overrides))
    .describe("The same for one VO alone. It goes before what the task has for all VOs.")
    .optional(),
});

const tasks = z.record(TaskName, TaskSettings).describe("Differences from the definitions of tasks, by task name.");

/** What the stored document and an operator's file have in common besides VOs and tasks. Each part adds a line. */
const others = { ...limitSettings };

/** The document as it is stored in the key `current`. The type, the check and the list of known fields follow from it. */
export const StoredDocument = fields({
  version: z.number().optional(),
  /** When the first one was written, by the broker's clock. What waits from before it was published under one that is lost. */
  createdAt: Time.optional(),
  vos: z
    .record(
      VoName,
      fields({
        ...voFields,
        state: z.enum(["active", "removed"]),
        /** When the state was last changed. */
        changedAt: Time,
      }),
    )
    .default({}),
  tasks: tasks.default({}),
  ...others,
});

/** The document as an operator writes it. Muster's own notes, such as the tombstones of VOs, are no part of it. */
export const FileDocument = fields({
  version: z.literal(VERSION).describe("Version of the file's form.").optional(),
  vos: z
    .record(VoName, fields(voFields).nullable())
    .describe("All VOs that take part. A VO that is not here is removed, and its waiting tasks are dropped.")
    .nullish(),
  tasks: tasks.nullish(),
  ...others,
});
