import { escapeControlsInLines, InvalidSettingsError, redactUrls } from "@muster/service";
import { middlewareOf, NatsAccessError } from "@muster/tasks";
import { plainProblem, plainSilence } from "@muster/tasks/operate";
import { CommanderError } from "commander";
import { ZodError } from "zod";

/** The command line is wrong, whatever the servers hold. The process exits with 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command has already printed its result, and the result is a bad one. The process exits with 1. */
export class FailedError extends Error {
  override readonly name = "FailedError";
}

/** `MUSTER_EXTENSIONS` names what cannot be loaded or used. The text is that of `cause`. The process exits with 2. */
export class WrongExtensionError extends Error {
  override readonly name = "WrongExtensionError";
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Describes an error to an operator. It is one line where one line is enough. */
export function describeFailure(error: unknown): string {
  if (error instanceof ZodError) {
    return error.issues.map((issue) => `${issue.path.join(".") || "value"}: ${plainProblem(issue)}`).join("; ");
  }
  if (error instanceof AggregateError && error.message === "") return error.errors.map(describeFailure).join("; ");
  const by = middlewareOf(error);
  const message = plainSilence(error) ?? (error instanceof Error ? error.message : String(error));
  return redactUrls(by === undefined ? message : `middleware ${JSON.stringify(by)}: ${message}`);
}

/** Writes on standard error. Control characters are escaped, so text from others cannot act on the terminal. */
export function complain(text: string): void {
  console.error(escapeControlsInLines(text));
}

/** Whether an error says that a setting is wrong, or a file or an extension that the setting names. The servers play no part in it. */
export function isWrongSetting(error: unknown): boolean {
  return [InvalidSettingsError, NatsAccessError, WrongExtensionError].some((known) => error instanceof known);
}

/**
 * Returns the exit code for an error:
 * - 2: the command line or a setting is wrong.
 * - 1: the command did not succeed.
 * - 0: the command was only asked for help.
 */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof UsageError || isWrongSetting(error) ? 2 : 1;
}

/** Whether the user has already read the error. */
export function isTold(error: unknown): boolean {
  return error instanceof CommanderError || error instanceof FailedError;
}
