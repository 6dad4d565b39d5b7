import { createRequire } from "node:module";
import { isatty, WriteStream } from "node:tty";
import { pino, type DestinationStream, type Logger } from "pino";
import type { prettyFactory } from "pino-pretty";
import type { LogLevel } from "../settings/settings.ts";
import { escapeControls, escapeControlsInLines } from "./escape.ts";
import { isSecretName, redactSecrets, redactUrls } from "../settings/redact.ts";

/** An app's log. The method names the level: `log.info({ taskId }, "done")`. */
export type Log = Pick<
  Logger,
  "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "child" | "level" | "isLevelEnabled"
>;

/** Options of a log. */
export interface LogOptions {
  /** Name of the app, which is on every line. */
  readonly name: string;
  readonly level: LogLevel;
  /** File descriptor of the lines: 1 for an app, 2 for a command that prints its result on 1. */
  readonly descriptor: 1 | 2;
}

/** Characters that JSON leaves raw inside its strings and that still act on a terminal. */
const RAW_IN_JSON = /[\u007f-\u009f\u2028\u2029\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;

function asJson(line: string): string {
  return redactSecrets(line).replace(
    RAW_IN_JSON,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function prettyPrinter(colorize: boolean): (line: string) => string {
  // Loaded where there is a terminal, so that an app without one starts with thirty files less.
  const pretty = createRequire(import.meta.url)("pino-pretty") as { readonly prettyFactory: typeof prettyFactory };
  const print = pretty.prettyFactory({ colorize, ignore: "pid", translateTime: "SYS:HH:MM:ss.l", singleLine: true });
  return (line) => {
    const fields: unknown = JSON.parse(line, (key, value: unknown) => {
      if (typeof value !== "string") return value;
      if (isSecretName(key)) return "***";
      return redactUrls(key === "stack" ? escapeControlsInLines(value) : escapeControls(value));
    });
    return print(fields);
  };
}

/** Form of the lines: JSON for programs, or text for a reader, with or without colours. */
export type LineStyle = "json" | "plain" | "coloured";

/**
 * The style for a descriptor. On a terminal the variables NO_COLOR, FORCE_COLOR, NODE_DISABLE_COLORS and TERM of
 * `environment` decide, as Node.js itself reads them.
 */
export function lineStyle(onTerminal: boolean, environment: object = process.env): LineStyle {
  if (!onTerminal) return "json";
  return WriteStream.prototype.getColorDepth(environment) > 1 ? "coloured" : "plain";
}

/** Formats pino's lines for the descriptor. Exported for its test. */
export function lineFormat(style: LineStyle): (line: string) => string {
  return style === "json" ? asJson : prettyPrinter(style === "coloured");
}

/**
 * A log that writes one JSON object a line, or readable lines when the descriptor is a terminal.
 *
 * Both forms show control characters as text and leave out passwords in URLs. Lines are written at once, so none is
 * lost when the process ends. When the reader of the log is gone, lines are dropped: an app does not end because of its
 * log.
 */
export function createLog({ name, level, descriptor }: LogOptions): Log {
  const sink = pino.destination({ fd: descriptor, sync: true });
  sink.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
  const format = lineFormat(lineStyle(isatty(descriptor)));
  return logInto({ write: (line) => void sink.write(format(line)) }, name, level);
}

/** A log whose lines go to `stream`, unformatted. */
export function logInto(stream: DestinationStream, name: string, level: LogLevel): Log {
  return pino(
    {
      name,
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // A `cause` only explains a line, so its text is logged without its stack.
      serializers: { cause: (cause: unknown) => (cause instanceof Error ? String(cause) : cause) },
    },
    stream,
  );
}
