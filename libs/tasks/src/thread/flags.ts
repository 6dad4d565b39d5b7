/** Flags by which modules are found and loaded. Without them a thread would load other code than its process. */
const WITH_VALUE = ["--conditions", "-C", "--import", "--require", "-r", "--loader", "--experimental-loader"];
const ALONE = ["--enable-source-maps", "--preserve-symlinks", "--no-warnings"];

/** Those flags of a process that its threads need. With some others (`--eval`, `--input-type`) a thread cannot start. */
export function flagsForThreads(flags: readonly string[]): string[] {
  return flags.flatMap((flag, at) => {
    if (ALONE.includes(flag) || WITH_VALUE.some((name) => flag.startsWith(`${name}=`))) return [flag];
    const value = flags[at + 1];
    return WITH_VALUE.includes(flag) && value !== undefined ? [flag, value] : [];
  });
}
