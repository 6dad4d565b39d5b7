import type { Happening } from "./display.ts";

/** How many are remembered: more than any terminal shows. */
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
    return undefined; // anybody may publish anything; what is no object tells nothing
  }
}

/** Steps that say little: another one follows soon. */
const PASSING: ReadonlySet<string> = new Set(["started", "contended"]);

/**
 * A message of EVENTS in words; undefined for a step that is not worth a line.
 *
 * Anybody may publish there, so nothing is taken for granted, and what is no event tells nothing.
 */
export function describeEvent(body: string): string | undefined {
  const event = parseObject(body);
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

/** A line of an app's log in words, if it warns of something; undefined for the others, and for what is no log line. */
export function describeWarning(app: string, line: string): string | undefined {
  const fields = parseObject(line);
  // What is no log line was written by Node.js itself, on its way down.
  if (fields === undefined) return line.trim() === "" ? undefined : `${app}: ${line}`;
  const message = textField(fields, "msg");
  return WORTH_TELLING.has(fields["level"]) && message !== undefined ? `${app}: ${message}` : undefined;
}
