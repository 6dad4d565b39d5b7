import { type Msg, nanos, type NatsConnection } from "@nats-io/nats-core";
import { TASKS } from "../streams/streams.ts";
import type { Lane } from "./lane.ts";

/** A standing pull ends unanswered after this long, ms, and is opened again. A worker that stops, or has other work by now, cannot call it back. */
const STANDS_MS = 500;
/** A lane is waited for from its second message in a row on, until so long after its last, ms. */
const HOT_MS = 5_000;
/** Without an answer so long after its end it is taken for lost, ms. */
const LOST_AFTER_MS = 2_500;

/**
 * At most one pull that waits at the server for the next message of one lane, so that a worker with nothing in hand gets it in one step, without
 * being woken first.
 *
 * It ends with a message or a status, and by nothing else: a server that finds nobody listening any more for a message that it has just
 * taken out for us would keep that until its ack wait.
 */
export class StandingPull {
  readonly #nc: NatsConnection;
  readonly #inbox: string;
  #lane: Lane | undefined;
  #number = 0;
  #openedAtMs = 0;
  #last: { readonly lane: Lane; readonly inARow: number; readonly atMs: number } | undefined;

  /** `inbox` is where answers go, with a number as a last token. */
  constructor(nc: NatsConnection, inbox: string) {
    this.#nc = nc;
    this.#inbox = inbox;
  }

  /** The lane whose next message will come by itself; undefined: no pull is open. */
  get lane(): Lane | undefined {
    return this.#lane;
  }

  /** When the pull was opened, by `performance.now()`. */
  get openedAtMs(): number {
    return this.#openedAtMs;
  }

  /** Opens the pull. There must be none. */
  open(lane: Lane, nowMs: number): void {
    this.#lane = lane;
    this.#openedAtMs = nowMs;
    this.#number++;
    this.#nc.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${TASKS}.${lane.consumer}`,
      `{"batch":1,"expires":${nanos(STANDS_MS)}}`,
      { reply: `${this.#inbox}.${this.#number}` },
    );
  }

  /** Whether the message is a status of the pull that is open now. */
  isStatus({ subject }: Msg): boolean {
    return this.#lane !== undefined && subject === `${this.#inbox}.${this.#number}`;
  }

  /** The pull has been answered, or will not be any more. Answers its lane. */
  end(): Lane | undefined {
    const lane = this.#lane;
    this.#lane = undefined;
    return lane;
  }

  /** Whether the server should have answered long ago. */
  isLost(nowMs: number): boolean {
    return this.#lane !== undefined && nowMs - this.#openedAtMs > STANDS_MS + LOST_AFTER_MS;
  }

  /** A lane's message has come, by whatever pull. */
  noteServed(lane: Lane, nowMs: number): void {
    const inARow = this.#last?.lane === lane ? this.#last.inARow + 1 : 1;
    this.#last = { lane, inARow, atMs: nowMs };
  }

  /** The lane whose next message is worth waiting for; undefined: none is. */
  hotLane(nowMs: number): Lane | undefined {
    const last = this.#last;
    return last !== undefined && last.inARow > 1 && nowMs - last.atMs < HOT_MS ? last.lane : undefined;
  }

  /** No lane is hot any more. */
  cool(): void {
    this.#last = undefined;
  }
}
