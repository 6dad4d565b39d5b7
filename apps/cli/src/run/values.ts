import { InvalidNameError, InvalidScheduleError, NO_VO } from "@muster/tasks";
import { readTimeZone, checkInstanceName, checkTaskId, checkTaskName, checkVoName } from "@muster/tasks/operate";
import { InvalidArgumentError } from "commander";
import { parseLength } from "../print/time.ts";

/** Makes a parser for the command line from a check that throws `InvalidNameError`. */
function named(check: (text: string) => string): (text: string) => string {
  return (text) => {
    try {
      return check(text);
    } catch (error) {
      if (error instanceof InvalidNameError) throw new InvalidArgumentError(error.message);
      throw error;
    }
  };
}

/** Reads the name of a task, whether or not this program knows it. */
export const parseTaskName = named(checkTaskName);
/** Reads the name of a VO, whether or not it is configured. */
export const parseVo = named(checkVoName);
/** Reads the name of a VO, or `_` for none. */
export function parseVoOrNone(text: string): string {
  return text === NO_VO ? text : parseVo(text);
}
/** Reads the name of a schedule's instance. */
export const parseInstance = named(checkInstanceName);
/** Longest reason of a pause, characters. */
const MAX_REASON = 500;

/** Reads the reason of a pause. */
export function parseReason(text: string): string {
  if (text.length <= MAX_REASON) return parseWanted(text);
  throw new InvalidArgumentError(`A reason has at most ${MAX_REASON} characters.`);
}

/** Reads the name of a time zone, as IANA spells it. */
export function parseZone(text: string): string {
  try {
    return readTimeZone(text);
  } catch (error) {
    if (error instanceof InvalidScheduleError)
      throw new InvalidArgumentError(
        `There is no time zone ${JSON.stringify(text)}; write an IANA name such as Europe/Zurich.`,
      );
    throw error;
  }
}
/** Reads a task's id. */
export const parseTaskId = named((id) => checkTaskId(id));
/** Reads the key of a unique task. */
export const parseUniqueKey = named((key) => checkTaskId(key, "unique key"));

/** Reads a name to search for, in any form. It may be the name of something that was refused for its form. */
export function parseWanted(text: string): string {
  if (text !== "") return text;
  throw new InvalidArgumentError("It is empty; leave the option out to mean all.");
}

/** Makes a parser of a whole number. `what` begins the error, as `A limit`. */
export function parseWhole(what: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : -1;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`${what} is a whole number from ${least} to ${most}.`);
  };
}

/** Reads how long ago something was, ms. */
export function parsePast(text: string): number {
  const ms = parseLength(text);
  if (ms !== undefined && ms > 0) return ms;
  throw new InvalidArgumentError("Write a whole number and a unit: 90s, 10m, 2h, 60d.");
}

/** Makes a parser of an option that may be given several times. */
export function several(parse: (text: string) => string): (text: string, before?: readonly string[]) => string[] {
  return (text, before = []) => [...before, parse(text)];
}
