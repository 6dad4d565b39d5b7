/** Called with one line for each thing that takes time. */
export type Progress = (line: string) => void;

/** What each source gets for its work. */
export interface Errand {
  /** Returns the folder that keeps downloads. There may be none, so only a source that downloads something asks for it. */
  openCache(): Promise<string>;
  readonly progress: Progress;
  /** Ends the errand with all its commands. The errand then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** One place from which a program may come. */
export interface Source {
  /** Name of the place, as in "nats-server from NAME". */
  readonly name: string;
  /** Returns the path of a program that has been checked. Otherwise throws, in one line, why this place has none. */
  obtain(errand: Errand): Promise<string>;
}

/** Why one source failed. */
export interface Refusal {
  readonly source: string;
  readonly reason: string;
}

function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return (text.split("\n")[0] ?? "").slice(0, 300);
}

/** Asks one source after the other, and reports each refusal at once. When all refuse, it returns all refusals. */
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
