import type { MsgHdrs } from "@nats-io/nats-core";
import type { AnyTask } from "../definition/task.ts";
import type { PulledMessage } from "../keeper/in_hand.ts";
import type { Delivery } from "../format/delivery.ts";
import type { NamedProcess } from "../presence/own_process.ts";

/** Who began a counted run last. */
export interface CountedBy {
  readonly worker: string;
  /** Where the message in its hand is acknowledged. */
  readonly ack: string;
  /** Absent where nobody could tell that it has ended. */
  readonly process?: NamedProcess;
}

/** Counted runs of one attempt that began and did not end. The first delivery's run is not among them. */
export interface StartCount {
  readonly attempt: number;
  readonly unended: number;
  /** Those of them that were to be alone in their process until their end. */
  readonly alone: number;
  /** Runs that count for nothing, since their worker died in another's own time; absent: 0. */
  readonly excused?: number;
  /** Absent where no run of it is under way or was cut off. Older workers do not say. */
  readonly by?: CountedBy;
}

/** A count as it was read. */
export interface KnownCount extends StartCount {
  /** Revision of the entry, 0: there is none. */
  readonly revision: number;
}

/** A task message in this worker's hand: buffered, waiting for a lock, or running. */
export interface ReceivedTask extends PulledMessage {
  readonly definition: AnyTask;
  /** The VO's name, or `_`. */
  readonly vo: string;
  readonly subject: string;
  readonly headers: MsgHdrs | undefined;
  /** Why the headers cannot be read; undefined where they can. */
  readonly headersProblem?: string | undefined;
  readonly body: Uint8Array;
  /** Where acks and heartbeats go. */
  readonly ack: string;
  readonly delivery: Delivery;
  /** Whether surely nobody has run it before; a count of one does not say so much. */
  readonly isFirst: boolean;
  /** When the pull that brought it was sent, by `performance.now()`. */
  readonly pulledAtMs: number;
  /** When its heartbeats end; set by the worker when it takes it in hand, and anew when it waits for a lock. */
  untilMs: number;
  /** Earlier runs of it without an end; read by its run where it was delivered before, undefined until then. */
  starts: KnownCount | undefined;
}
