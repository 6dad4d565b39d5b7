/** What belongs to no task: the stream LATER, messages on subjects that are patterns, and schedules that nobody leads. */
export const REST = "_";
/**
 * The messages of bad names and of tasks that no running scheduler leads. Only a scheduler with a ledger leads this charge. A worker may
 * have such a message in hand, so the ledger must hear first. Where no such scheduler runs, whoever leads `REST` looks at them.
 */
export const REST_WITH_LEDGER = "_ledger";

/** The charge of a chore. Its space tells it from a task: no task's name holds one. */
export function choreCharge(name: string): string {
  return `chore ${name}`;
}

/** What a scheduler may lead: each of its tasks, each of its chores, and the rest. */
export function chargesOf({
  tasks,
  chores = [],
  ledger,
}: {
  readonly tasks: readonly { readonly name: string }[];
  readonly chores?: readonly { readonly name: string }[] | undefined;
  readonly ledger?: object | undefined;
}): readonly string[] {
  const rest = ledger === undefined ? [REST] : [REST, REST_WITH_LEDGER];
  return [...tasks.map(({ name }) => name), ...rest, ...chores.map(({ name }) => choreCharge(name))];
}

/** Whether a charge is a task, and neither a chore nor one of the two rests. */
export function isTaskCharge(charge: string): boolean {
  return !charge.includes(" ") && !charge.startsWith("_");
}

/** What this process leads now. The election writes it; the loops of the scheduler read it. */
export interface Charges {
  readonly led: ReadonlySet<string>;
  /** Charges that other running schedulers lead. */
  readonly elsewhere: ReadonlySet<string>;
  /** Calls `listener` after each change, until the returned function is called. */
  onChange(listener: () => void): () => void;
}

/** The charges of a process that does not stand for election, such as a test's. */
export function fixedCharges(charges: readonly string[]): Charges {
  return { led: new Set(charges), elsewhere: new Set(), onChange: () => () => {} };
}

/**
 * Whether this process looks after the messages and markers of `task`: it leads the task, or it leads the rest and nobody leads the task.
 */
export function looksAfter({ led, elsewhere }: Charges, task: string): boolean {
  if (led.has(task) || elsewhere.has(task)) return led.has(task);
  return led.has(REST_WITH_LEDGER) || (led.has(REST) && !elsewhere.has(REST_WITH_LEDGER));
}

/** Settles at the next change, or when `signal` aborts. */
async function nextChange(charges: Charges, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  const stop = charges.onChange(resolve);
  signal.addEventListener("abort", onAbort);
  if (!signal.aborted) await promise;
  signal.removeEventListener("abort", onAbort);
  stop();
}

/**
 * Runs `work` whenever `isLed` returns true, and aborts it once `isLed` returns false. Ends when `signal` aborts. Throws what `work`
 * throws.
 */
export async function whileLed(
  charges: Charges,
  { isLed, work }: { isLed(): boolean; work(signal: AbortSignal): Promise<void> },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    if (!isLed()) {
      await nextChange(charges, signal);
      continue;
    }
    const over = new AbortController();
    const stop = charges.onChange(() => {
      if (!isLed()) over.abort();
    });
    try {
      await work(AbortSignal.any([signal, over.signal]));
    } finally {
      stop();
    }
  }
}
