import { isExtensionError } from "@muster/app";
import { escapeControlsInLines, InvalidSettingsError, redactUrls } from "@muster/service";
import { NatsAccessError } from "@muster/tasks";
import { CommanderError } from "commander";
import { ZodError } from "zod";

/** The command line is wrong by itself, whatever the servers hold. The process exits with 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The command's answer is printed already, and is a bad one. The process exits with 1. */
export class FailedError extends Error {
  override readonly name = "FailedError";
}

/** What an operator reads of an error: one line where one says it all. */
export function describeFailure(error: unknown): string {
  if (error instanceof ZodError) {
    return error.issues.map(({ path, message }) => `${path.join(".") || "value"}: ${message}`).join("; ");
  }
  if (error instanceof AggregateError && error.message === "") return error.errors.map(describeFailure).join("; ");
  return redactUrls(error instanceof Error ? error.message : String(error));
}

/** Writes on standard error. What comes from others cannot act on the terminal. */
export function complain(text: string): void {
  console.error(escapeControlsInLines(text));
}

/** Whether an error says that a setting is wrong by itself, or a file or an extension that it names. */
export function isWrongSetting(error: unknown): boolean {
  return error instanceof InvalidSettingsError || error instanceof NatsAccessError || isExtensionError(error);
}

/**
 * The exit code for an error: 2 for a command line or a setting that is wrong by itself, 1 for a command that did not succeed, 0 where
 * only help was asked for.
 */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof UsageError || isWrongSetting(error) ? 2 : 1;
}

/** Whether the user has been told already. */
export function isTold(error: unknown): boolean {
  return error instanceof CommanderError || error instanceof FailedError;
}
