import type { MsgHdrs } from "@nats-io/nats-core";
import type { AnyTask } from "../definition/task.ts";
import type { PulledMessage } from "../keeper/in_hand.ts";
import type { Delivery } from "../wire/delivery.ts";
import type { KnownCount } from "./poison.ts";

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
