import { InvalidArgumentError } from "commander";

/** Help text of `--keep-ce`, for `muster migrate` and `muster up`. */
export const KEEP_CE_HELP = "which CE to keep where names differ only in case; may be given several times";

/** Adds a name as it was stored. Other names are brought to lower case, but this one is not. */
export function collect(name: string, before: readonly string[] = []): readonly string[] {
  if (name === "") throw new InvalidArgumentError("It is empty; give the name of a CE.");
  return [...before, name];
}
