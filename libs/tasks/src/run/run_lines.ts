// Tested by libs/tasks/src/run/run_lines_test.ts
import type { LineLevel, RunLine } from "../connection/observer.ts";
import type { RunLog } from "../definition/run_log.ts";
import { oneLine } from "../format/headers.ts";

/** Greatest number of lines of one run that are told as events. */
export const MOST_TOLD = 50;

/** Where the lines of a run go. */
export interface LineSink {
  /** Writes a line into the log of the app. */
  write(line: Pick<RunLine, "level" | "message" | "fields" | "text">): void;
  /** Tells a line of level info and above as an event of the task. */
  tell(level: LineLevel, text: string): void;
}

/** The log of one run. */
export interface RunLines extends RunLog {
  /** The run is over: tells how many lines were left out. */
  end(): void;
}

/** An error has no fields that JSON would print, and a `bigint` none at all. */
function printable(_key: string, value: unknown): unknown {
  if (value instanceof Error) return String(value);
  return typeof value === "bigint" ? String(value) : value;
}

function fieldsText(fields: object): string {
  try {
    const text = JSON.stringify(fields, printable);
    return text === "{}" ? "" : ` ${text}`;
  } catch {
    return " (its fields are no JSON)"; // they refer to themselves, say
  }
}

/** Makes the log of a run. */
export function createRunLines(sink: LineSink): RunLines {
  let told = 0;
  let leftOut = 0;
  function line(level: LineLevel, message: string, fields: object = {}): void {
    const text = oneLine(message + fieldsText(fields));
    sink.write({ level, message, fields, text });
    if (level === "debug") return;
    if (told >= MOST_TOLD) {
      leftOut++;
      return;
    }
    told++;
    sink.tell(level, text);
  }
  return {
    debug: (message, fields) => line("debug", message, fields),
    info: (message, fields) => line("info", message, fields),
    warn: (message, fields) => line("warn", message, fields),
    error: (message, fields) => line("error", message, fields),
    end() {
      if (leftOut > 0) sink.tell("warn", `${leftOut} more lines of this run are in its worker's log alone`);
      leftOut = 0;
    },
  };
}

/**
 * A run's log, which is made at its first line. An accessor in the literal of `run` gives each run a hidden class of its own in V8, and cost a
 * third of the rate of small tasks.
 */
export function lazyLog(log: () => RunLog): RunLog {
  return {
    debug: (message, fields) => log().debug(message, fields),
    info: (message, fields) => log().info(message, fields),
    warn: (message, fields) => log().warn(message, fields),
    error: (message, fields) => log().error(message, fields),
  };
}
