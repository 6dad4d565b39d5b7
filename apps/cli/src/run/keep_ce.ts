/** What `--keep-ce` is, of `muster migrate` and of `muster up`. */
export const KEEP_CE_HELP = "of CEs whose names differ by case only, the one that stays; may be given several times";

/** As it was stored, and so unlike other names not brought to lower case. */
export function collect(name: string, before: readonly string[] = []): readonly string[] {
  return [...before, name];
}
