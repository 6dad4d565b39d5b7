import type { MsgHdrs } from "@nats-io/nats-core";
import type { AnyTask } from "../definition/task.ts";
import type { PulledMessage } from "../keeper/in_hand.ts";
import type { Delivery } from "../format/delivery.ts";
import type { NamedProcess } from "../presence/own_process.ts";

/** The worker that began the newest counted run. Written to the entry by that worker, and read by the worker that finds it dead. */
export interface CountedBy {
  readonly worker: string;
  /** Subject on which that worker's delivery is acknowledged. */
  readonly ack: string;
  /** Its process. Absent where nobody could tell that the process has ended. */
  readonly process?: NamedProcess;
}

/** Counted runs of one attempt that began and did not end. The run of the first delivery is not counted. */
export interface StartCount {
  readonly attempt: number;
  readonly unended: number;
  /** How many of them had their process to themselves until their end. */
  readonly alone: number;
  /** Runs that are not counted as unended, since their worker died while another task had the process alone; absent: 0. */
  readonly excused?: number;
  /** Runs alone that are not counted, since other workers died at that time too; absent: 0. */
  readonly spared?: number;
  /** The workers of the newest counted runs; absent: none. */
  readonly workers?: readonly string[];
  /** When the first counted run was stored, by the broker's clock, ms since the epoch. Absent until the second one. */
  readonly sinceMs?: number;
  /** Runs that ended their thread and not their process, and how the newest one did so. Nothing else ran there. Absent: none did. */
  readonly died?: { readonly times: number; readonly reason: string };
  /** Absent where no run is under way and none was cut off. Older workers do not write it. */
  readonly by?: CountedBy;
}

/** A count as it was read from its entry. */
export interface KnownCount extends StartCount {
  /** Revision of the entry; 0: there is none. */
  readonly revision: number;
  /** When it was stored, by the broker's clock, ms since the epoch; absent: there is none. */
  readonly storedAtMs?: number;
}

/** A task message in this worker's hand: buffered, waiting for a lock, or running. */
export interface ReceivedTask extends PulledMessage {
  /** The task as the configuration had it when it was pulled. Set again by `Hand` where that changes before it begins. */
  definition: AnyTask;
  /** The VO's name, or `_`. */
  readonly vo: string;
  readonly subject: string;
  /** Set again by `spanOf` alone, where the task's trace begins here. */
  headers: MsgHdrs | undefined;
  /** Why the headers cannot be read; undefined where they can. */
  readonly headersProblem?: string | undefined;
  readonly body: Uint8Array;
  /** Subject on which the delivery is acknowledged and kept. */
  readonly ack: string;
  readonly delivery: Delivery;
  /** Whether certainly nobody has run it before. A delivery count of 1 alone does not prove that. */
  readonly isFirst: boolean;
  /** When the pull that brought it was sent, by `performance.now()`. */
  readonly pulledAtMs: number;
  /** When its heartbeats end, by `performance.now()`. Set by the worker when it takes the task in hand, and again when it waits for a lock. */
  untilMs: number;
  /** Earlier runs that did not end. Set by its run where it was delivered before, and undefined until then. */
  starts: KnownCount | undefined;
}
