/** Hears of what takes time, one line each. */
export type Progress = (line: string) => void;

/** What every source is given to work with. */
export interface Errand {
  /** The folder that what is got is kept in. Asked for only by a source that gets something, since there may be none. */
  openCache(): Promise<string>;
  readonly progress: Progress;
  /** Ends the errand, with all commands that it runs; it throws the signal's reason then. */
  readonly signal?: AbortSignal | undefined;
}

/** One place that a program may come from. */
export interface Source {
  /** As in "nats-server from NAME". */
  readonly name: string;
  /** Returns the path of a program that has been checked. Throws, in one line, why this place cannot serve. */
  obtain(errand: Errand): Promise<string>;
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
  errand: Errand,
): Promise<string | readonly Refusal[]> {
  const refusals: Refusal[] = [];
  for (const { name, obtain } of sources) {
    try {
      return await obtain(errand);
    } catch (error) {
      errand.signal?.throwIfAborted();
      const reason = oneLine(error);
      refusals.push({ source: name, reason });
      errand.progress(`${program}: not from ${name}: ${reason}`);
    }
  }
  return refusals;
}
