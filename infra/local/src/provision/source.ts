/** Hears of what takes time, one line each. */
export type Progress = (line: string) => void;

/** One place that a program may come from. */
export interface Source {
  /** As in "nats-server from NAME". */
  readonly name: string;
  /** Answers the path of a program that has been checked. Throws, in one line, why this place cannot serve. */
  obtain(progress: Progress): Promise<string>;
}

/** Why one source could not serve. */
export interface Refusal {
  readonly source: string;
  readonly reason: string;
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split("\n")[0] ?? "").slice(0, 300);
}

/** Asks one source after the other. Each refusal is told as it comes; all of them are answered when none can serve. */
export async function obtainFirst(
  program: string,
  sources: readonly Source[],
  progress: Progress,
): Promise<string | readonly Refusal[]> {
  const refusals: Refusal[] = [];
  for (const { name, obtain } of sources) {
    try {
      return await obtain(progress);
    } catch (error) {
      const reason = oneLine(error);
      refusals.push({ source: name, reason });
      progress(`${program}: not from ${name}: ${reason}`);
    }
  }
  return refusals;
}
