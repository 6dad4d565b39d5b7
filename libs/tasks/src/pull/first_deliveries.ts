import { JetStreamApiError } from "@nats-io/jetstream";
import type { Broker } from "../broker/broker.ts";
import type { Delivery } from "../format/delivery.ts";
import { isConflict, TASKS } from "../streams/streams.ts";
import type { Lane } from "../policy/lane.ts";

/** The mark of a server's start outlives any ledger row; when it goes, a later one says no more than that less is known. */
const MARK_TTL = "720h";
/** When what is asked for was learned; until then nothing is sure. */
const UNKNOWN = Number.POSITIVE_INFINITY;

function keyOf(serverId: string): string {
  return `server.${serverId}`;
}

/**
 * Whether a message that is called a first delivery is one.
 *
 * A lane's consumer counts in memory. When the server is restarted, or the consumer was deleted or has lapsed, the count begins at one
 * again: also for what had been run, and committed, and only not acked. So the count is believed for messages alone that were stored
 * after the consumer was made and after somebody first found this start of the server, which the bucket `results` remembers. All by
 * the server's clock. Of a cluster's consumers with a single copy, those on other nodes may have been restarted unseen.
 */
export class FirstDeliveries {
  readonly #broker: Broker;
  #serverId: string | undefined;
  /** When the present start of the server was first noticed, ms since the epoch. */
  #foundAtMs = UNKNOWN;
  readonly #asked = new Set<Lane | "server">();

  constructor(broker: Broker) {
    this.#broker = broker;
    void this.#findServer();
  }

  /**
   * Whether nobody can have run this message before. False where that is not known yet.
   *
   * Of a task without a ledger the count alone decides: it may run again as it is.
   */
  isFirst(lane: Lane, { count, consumerSequence, storedAtNs }: Delivery): boolean {
    lane.noteCount(consumerSequence);
    if (count > 1 || lane.definition.effect !== "once") return count === 1;
    const { nc } = this.#broker;
    if (nc.info?.server_id !== this.#serverId) void this.#findServer();
    else if (this.#foundAtMs === UNKNOWN) this.#ask("server", () => this.#findServer());
    if (lane.madeAtMs === UNKNOWN) this.#ask(lane, () => this.#findLane(lane));
    return Number(storedAtNs) / 1e6 > Math.max(this.#foundAtMs, lane.madeAtMs);
  }

  /** One question about each at a time; the next message asks again. */
  #ask(about: Lane | "server", ask: () => Promise<void>): void {
    if (this.#asked.has(about)) return;
    this.#asked.add(about);
    void ask().finally(() => this.#asked.delete(about));
  }

  /** Finds when this start of the server was first noticed; the first to ask is the one who notices it. */
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
      // The mark's time has whole milliseconds.
      if (mark !== null && this.#serverId === serverId) this.#foundAtMs = mark.created.getTime() + 1;
    } catch (cause) {
      observer.note("Cannot tell yet since when the broker runs; the ledger is asked about each task", { cause });
    }
  }

  async #findLane(lane: Lane): Promise<void> {
    try {
      const { created } = await this.#broker.briefJsm.consumers.info(TASKS, lane.consumer);
      lane.noteMade(Date.parse(created) + 1);
    } catch (cause) {
      // Whoever pulls next makes one that is not there.
      if (cause instanceof JetStreamApiError) return;
      this.#broker.observer.note(`Cannot tell yet since when consumer ${lane.consumer} is there`, { cause });
    }
  }
}
