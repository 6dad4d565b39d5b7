import { eventLines } from "@muster/tasks/operate";
import type { Happening } from "./display.ts";

/** Number of happenings that are remembered: more than any terminal shows. */
const REMEMBERED = 200;

/** The newest happenings, oldest first. */
export interface Happenings {
  add(happening: Happening): void;
  newest(): readonly Happening[];
}

/** Remembers the newest happenings and forgets the others. */
export function rememberHappenings(): Happenings {
  const all: Happening[] = [];
  return {
    add(happening) {
      all.push(happening);
      if (all.length > REMEMBERED) all.shift();
    },
    newest: () => all,
  };
}

function textField(fields: Readonly<Record<string, unknown>>, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" && value !== "" ? value : undefined;
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined; // anybody may publish here, and a value that is not an object is no event
  }
}

/** Steps that are not shown, since another step follows soon. */
const PASSING: ReadonlySet<string> = new Set(["started", "contended"]);

/**
 * Describes the events in a message of EVENTS, except steps that are not worth a line.
 *
 * Anybody may publish there, so every field is checked. What is not an event is not described.
 */
export function describeEvents(body: string): readonly string[] {
  return eventLines(body).flatMap((line) => describeEvent(line) ?? []);
}

function describeEvent(line: string): string | undefined {
  const event = parseObject(line);
  if (event === undefined) return undefined;
  const { attempt, tookMs } = event;
  const [task, vo, step] = [textField(event, "task"), textField(event, "vo"), textField(event, "step")];
  if (task === undefined || vo === undefined || step === undefined || PASSING.has(step)) return undefined;
  const words = [task, ...(vo === "_" ? [] : [vo]), step];
  if (typeof attempt === "number" && attempt > 1) words.push(`attempt ${attempt}`);
  if (typeof tookMs === "number") words.push(`${Math.round(tookMs)} ms`);
  const reason = textField(event, "reason");
  return words.join(" ") + (reason === undefined ? "" : `: ${reason}`);
}

const WORTH_TELLING: ReadonlySet<unknown> = new Set(["warn", "error", "fatal"]);

/** Describes a line of an app's log that warns of something; undefined for all other lines, and for text that is not a log line. */
export function describeWarning(app: string, line: string): string | undefined {
  const fields = parseObject(line);
  // Node.js itself wrote a line that is not a log line, while it was ending.
  if (fields === undefined) return line.trim() === "" ? undefined : `${app}: ${line}`;
  const message = textField(fields, "msg");
  return WORTH_TELLING.has(fields["level"]) && message !== undefined ? `${app}: ${message}` : undefined;
}
