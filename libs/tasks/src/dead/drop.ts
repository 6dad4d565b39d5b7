// Tested by tests/src/worker/operate_test.ts
import type { Broker } from "../broker/broker.ts";
import { deleteStored } from "../broker/stored_messages.ts";
import { askAsMuster } from "../connection/own_requests.ts";
import { DEAD } from "../streams/streams.ts";
import { type DeadFilter, filterSubject, findDeadLetter, matchingLetters } from "./dead_letters.ts";

/** Greatest number of dead letters that are deleted at the same time. */
const IN_FLIGHT = 100;

/** Dead letters that somebody has counted, in order to drop them. */
export interface CountedLetters {
  /** Their number, each message by itself: a task that died twice has two. */
  readonly count: number;
  /** The newest sequence among them; 0: there is none. Letters that came later are left alone. */
  readonly upTo: number;
}

/** There are more or fewer dead letters than were confirmed. None was dropped. */
export class DeadLettersChangedError extends Error {
  override readonly name = "DeadLettersChangedError";
  readonly confirmed: number;
  readonly found: number;
  constructor(confirmed: number, found: number) {
    super(
      `Cannot drop ${confirmed} dead letters: ${found} match, and nothing was dropped; look at them and confirm their number`,
    );
    this.confirmed = confirmed;
    this.found = found;
  }
}

/** Counts the dead letters that match now. Reads the headers of each. */
export async function countToDrop(broker: Broker, filter: DeadFilter): Promise<CountedLetters> {
  let count = 0;
  let upTo = 0;
  for await (const { sequence } of matchingLetters(broker, filter)) {
    count++;
    upTo = sequence;
  }
  return { count, upTo };
}

/** Whether all letters on the filter's subjects match that are not newer than the newest match. */
function isWhole({ taskId, reason, diedAfter }: DeadFilter): boolean {
  return taskId === undefined && reason === undefined && diedAfter === undefined;
}

async function deleteEach(broker: Broker, sequences: readonly number[]): Promise<void> {
  const left = sequences.values();
  async function lane(): Promise<void> {
    for (const sequence of left) await deleteStored(broker, DEAD, sequence);
  }
  const ended = await Promise.allSettled(Array.from({ length: Math.min(IN_FLIGHT, sequences.length) }, lane));
  const failure = ended.find((end) => end.status === "rejected");
  if (failure !== undefined) throw failure.reason;
}

/**
 * Deletes the dead letters that were counted, for good. Their tasks run no more; the ledger knows them as dead. Returns how many were deleted,
 * which is less where somebody requeues or drops some meanwhile.
 *
 * Throws {@linkcode DeadLettersChangedError} unless exactly `count` match, and then deletes none.
 *
 * ```ts
 * const counted = await countToDrop(broker, { task: "MyPilotTask", diedBefore: new Date("2027-01-01") });
 * await dropDeadLetters(broker, { task: "MyPilotTask", diedBefore: new Date("2027-01-01") }, counted);
 * ```
 */
export async function dropDeadLetters(broker: Broker, filter: DeadFilter, counted: CountedLetters): Promise<number> {
  const sequences: number[] = [];
  for await (const { sequence } of matchingLetters(broker, filter, { upTo: counted.upTo })) sequences.push(sequence);
  if (sequences.length !== counted.count) throw new DeadLettersChangedError(counted.count, sequences.length);
  if (sequences.length === 0) return 0;
  if (isWhole(filter)) {
    const range = { filter: filterSubject(filter), seq: counted.upTo + 1 };
    return await askAsMuster(broker.nc, `$JS.API.STREAM.PURGE.${DEAD}`, range);
  }
  await deleteEach(broker, sequences);
  return sequences.length;
}

/** Deletes one dead letter for good. Throws `UnknownDeadLetterError` where there is none under this sequence. */
export async function dropDeadLetter(broker: Broker, sequence: number): Promise<void> {
  await findDeadLetter(broker, sequence);
  await deleteStored(broker, DEAD, sequence);
}
