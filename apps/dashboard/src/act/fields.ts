import * as z from "zod";

/** Greatest length of a field, characters. */
const LENGTH = 1_024;

/** A text that must be there. */
export const text = z.string().trim().min(1).max(LENGTH);

/** A text that may be left out or empty. */
export const optional = z
  .string()
  .trim()
  .max(LENGTH)
  .optional()
  .transform((given) => (given === "" ? undefined : given));

/** Whole numbers with commas between. */
export const numbers = z
  .string()
  .regex(/^[0-9]{1,15}(?:,[0-9]{1,15})*$/)
  .transform((given) => given.split(",").map(Number))
  .optional();

/** A whole number. */
export const whole = z
  .string()
  .trim()
  .regex(/^[0-9,]{1,20}$/)
  .transform((given) => Number(given.replaceAll(",", "")));

/** A moment that may be left out, RFC 3339 in UTC. */
export const time = z.iso.datetime().optional();
