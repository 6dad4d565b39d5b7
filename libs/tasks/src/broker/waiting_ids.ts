import { temporal } from "../calendar/temporal.ts";
import type { Broker } from "./broker.ts";
import { taskIdOf } from "../format/delivery.ts";
import { TASKS } from "../streams/streams.ts";
import { type TaskAddress, taskSubject } from "../format/subject.ts";
import { walkStream } from "./walk_stream.ts";

/** Greatest number of messages that are looked at, and of their bytes; some seconds' work. */
const MAX_MESSAGES = 50_000;
const MAX_BYTES = 128 * 1024 * 1024;

/** The ids of the tasks that wait or run on one subject. */
export interface WaitingIds {
  readonly ids: ReadonlySet<string>;
  /** Whether those are all. Only the first 50,000 messages are read. */
  readonly complete: boolean;
}

/**
 * Reads the ids of the tasks of one name and VO from TASKS, message by message. Throws `InvalidNameError`, and where the broker is silent.
 */
export async function listWaitingIds({ jsm }: Pick<Broker, "jsm">, of: TaskAddress): Promise<WaitingIds> {
  const { state } = await jsm.streams.info(TASKS);
  const walk = {
    ...{ stream: TASKS, filter: taskSubject(of), first: state.first_seq, last: state.last_seq },
    ...{ maxMessages: MAX_MESSAGES, maxBytes: MAX_BYTES },
  };
  const ids = new Set<string>();
  const seenTo = await walkStream(jsm, walk, ({ header, seq, timestamp }) => {
    const storedAtNs = temporal.Instant.from(timestamp).epochNanoseconds.toString();
    ids.add(taskIdOf(header, { stream: TASKS, streamSequence: seq, storedAtNs }));
  });
  return { ids, complete: seenTo >= state.last_seq };
}
