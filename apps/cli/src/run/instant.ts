import { InvalidArgumentError } from "commander";
import * as z from "zod";

/** Reads an instant, RFC 3339. */
export function parseInstant(text: string): Date {
  // `Date` turns the 30th of February into the 2nd of March.
  if (z.iso.datetime({ offset: true }).safeParse(text).success) return new Date(text);
  throw new InvalidArgumentError("Write an existing day with its zone, e.g. 2027-01-31T12:00:00Z.");
}
