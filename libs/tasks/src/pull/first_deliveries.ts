import { JetStreamApiError } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import type { Delivery } from "../format/delivery.ts";
import { isConflict, TASKS } from "../streams/streams.ts";
import type { Lane } from "../policy/lane.ts";

/**
 * Time to live of the mark of a server's start. It is longer than that of any ledger row. A mark that is made later only means that
 * fewer messages are known to be first deliveries.
 */
const MARK_TTL = "720h";
/** Stands for a time that has not been learned yet. Until then no message is later, so nothing is sure. */
const UNKNOWN = Number.POSITIVE_INFINITY;

function keyOf(serverId: string): string {
  return `server.${serverId}`;
}

/**
 * Tells whether a message that the server calls a first delivery is one.
 *
 * A lane's consumer counts deliveries in memory. The count begins at one again when the server was restarted, or when the consumer was
 * deleted or has lapsed. That also holds for messages that were run and committed, and only not acked. So the count is believed only
 * for messages that were stored after two times, both by the server's clock. One is when the consumer was made. The other is when a
 * worker first found this start of the server, which the bucket `results` remembers.
 *
 * On a cluster a single copy may be on a server to which no worker is connected, and be restarted unseen. There the count is believed only
 * where TASKS has several copies, which keep it on file.
 */
export class FirstDeliveries {
  readonly #broker: Broker;
  #serverId: string | undefined;
  /** When a worker first noticed the present start of the server, ms since the epoch. */
  #foundAtMs = UNKNOWN;
  readonly #asked = new Set<Lane | "server">();

  constructor(broker: Broker) {
    this.#broker = broker;
    void this.#findServer();
  }

  /**
   * Whether nobody can have run this message before. Returns false where that is not known yet.
   *
   * For a task without a ledger the count alone decides, since such a task may run again.
   */
  isFirst(lane: Lane, { count, consumerSequence, storedAtNs }: Delivery): boolean {
    lane.noteCount(consumerSequence);
    if (count > 1 || lane.definition.effect !== "once") return count === 1;
    const { nc, copies } = this.#broker;
    if (nc.info?.cluster !== undefined && copies.of(TASKS) === 1) return false;
    if (nc.info?.server_id !== this.#serverId) void this.#findServer();
    else if (this.#foundAtMs === UNKNOWN) this.#ask("server", () => this.#findServer());
    if (lane.madeAtMs === UNKNOWN) this.#ask(lane, () => this.#findLane(lane));
    return Number(storedAtNs) / 1e6 > Math.max(this.#foundAtMs, lane.madeAtMs);
  }

  /** Asks one question at a time about each. After a failure the next message asks again. */
  #ask(about: Lane | "server", ask: () => Promise<void>): void {
    if (this.#asked.has(about)) return;
    this.#asked.add(about);
    void ask().finally(() => this.#asked.delete(about));
  }

  /** Finds when this start of the server was first noticed. The first worker to ask notices it and writes the mark. */
  async #findServer(): Promise<void> {
    const { nc, buckets, observer } = this.#broker;
    const serverId = nc.info?.server_id;
    this.#serverId = serverId;
    this.#foundAtMs = UNKNOWN;
    if (serverId === undefined) return;
    try {
      await buckets.results.create(keyOf(serverId), "", MARK_TTL).catch((error: unknown) => {
        if (!isConflict(error)) throw error;
      });
      const mark = await buckets.results.get(keyOf(serverId));
      // The mark's time is cut to whole milliseconds.
      if (mark !== null && this.#serverId === serverId) this.#foundAtMs = mark.created.getTime() + 1;
    } catch (cause) {
      observer.note("Cannot tell yet when the broker was started; the ledger is asked about each task", { cause });
    }
  }

  async #findLane(lane: Lane): Promise<void> {
    try {
      const { created } = await this.#broker.briefJsm.consumers.info(TASKS, lane.consumer);
      lane.noteMade(Date.parse(created) + 1);
    } catch (cause) {
      // There is no such consumer. The next pull creates it.
      if (cause instanceof JetStreamApiError) return;
      this.#broker.observer.note(`Cannot tell yet when consumer ${lane.consumer} was made`, { cause });
    }
  }
}
