import type { Figure } from "../report/report.ts";
import { type Contender, type ContenderName, type Ground, openContender } from "./contenders.ts";
import type { Sizes } from "./sizes.ts";
import { median } from "../report/statistics.ts";

/** Everything that rows need to measure. */
export interface Bench extends Ground, AsyncDisposable {
  readonly sizes: Sizes;
  /**
   * Returns the contenders that can be started, and a note for each that cannot. Each is started and warmed up once for the whole run.
   *
   * Throws when Muster or raw JetStream cannot be started.
   */
  contenders(names: readonly ContenderName[]): Promise<Field>;
}

export interface Field {
  readonly contenders: readonly Contender[];
  readonly notes: readonly string[];
}

/** Number of tasks that run at the same time in each worker. */
export const CONCURRENCY = 100;

async function warmUp({ publisher, worker }: Contender, count: number): Promise<void> {
  await publisher.ask("publish", { count });
  await worker.ask("drain", { count, concurrency: CONCURRENCY });
}

/** Opens the bench. It starts no contender yet. */
export function openBench(options: Ground & Pick<Bench, "sizes">): Bench {
  const { sizes, progress } = options;
  const stack = new AsyncDisposableStack();
  const open = new Map<ContenderName, Promise<Contender | string>>();

  async function start(name: ContenderName): Promise<Contender | string> {
    progress(`${name}: starting`);
    try {
      const contender = stack.use(await openContender(name, options));
      await warmUp(contender, sizes.warmUp);
      return contender;
    } catch (error) {
      if (name === "muster" || name === "raw") throw error;
      return `${name} could not be had: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}`;
    }
  }

  return {
    ...options,
    async contenders(names) {
      const contenders: Contender[] = [];
      const notes: string[] = [];
      for (const name of names) {
        const started = open.get(name) ?? start(name);
        open.set(name, started);
        const contender = await started;
        if (typeof contender === "string") notes.push(contender);
        else contenders.push(contender);
      }
      return { contenders, notes };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Values by contender, one for each round. */
export type Rounds = ReadonlyMap<string, readonly number[]>;

/** Measures each contender in turn, round after round. So a change of the machine's load affects all of them. */
export async function inTurn<Turn extends { readonly name: string }, Name extends string>(
  rounds: number,
  contenders: readonly Turn[],
  measure: (contender: Turn) => Promise<Readonly<Record<Name, number>>>,
): Promise<Readonly<Record<Name, Rounds>>> {
  const all: Record<string, Map<string, number[]>> = {};
  for (let round = 0; round < rounds; round++) {
    for (const contender of contenders) {
      for (const [what, value] of Object.entries<number>(await measure(contender))) {
        all[what] ??= new Map();
        const values = all[what].get(contender.name) ?? [];
        values.push(value);
        all[what].set(contender.name, values);
      }
    }
  }
  return all as Record<Name, Map<string, number[]>>;
}

export function figuresOf(rounds: Rounds, what: Pick<Figure, "what" | "unit">): Figure[] {
  return [...rounds].map(([contender, values]) => ({ contender, ...what, rounds: values }));
}

/** The median of the ratios, round by round, of Muster's value to the other's; NaN where the other could not be started. */
export function ratioTo(rounds: Rounds, other: string, ours = "muster"): number {
  const theirs = rounds.get(other) ?? [];
  return median(
    (rounds.get(ours) ?? []).flatMap((value, round) => {
      const their = theirs[round];
      return their === undefined ? [] : [value / their];
    }),
  );
}
