import type { NatsConnection } from "@nats-io/nats-core";
import { sharedNowMs } from "../lease/clocks.ts";
import type { Board } from "./board.ts";
import type { Ownership } from "./ownership.ts";

/** JetStream's answer "work in progress". It begins the ack wait of the message anew. */
const WORK_IN_PROGRESS = new TextEncoder().encode("+WPI");

export interface Heartbeats extends AsyncDisposable {
  /** Sends heartbeats for the messages of this board, too. */
  watch(board: Board): void;
}

interface HeartbeatOptions {
  readonly nc: NatsConnection;
  readonly ownership: Ownership;
  readonly heartbeatMs: number;
  /** Notes something that is worth a line in the log. */
  note(message: string, details: Readonly<Record<string, unknown>>): void;
}

/**
 * Sends a heartbeat for each message in hand, all in one round every `heartbeatMs`. Notes each round that certainly reached the server.
 *
 * After a lost connection the server may be another one or may have been restarted. Then no message that was pulled before counts as
 * ours, since consumers keep what is in flight in memory. Heartbeats still go on: on a cluster the consumer may have lived on, and then
 * the task is not run twice.
 */
export function openHeartbeats({ nc, ownership, heartbeatMs, note }: HeartbeatOptions): Heartbeats {
  const boards: Board[] = [];
  let serverId = nc.info?.server_id;
  let disconnectedAtMs: number | undefined;
  let round: Promise<void> | undefined;

  async function beat(): Promise<void> {
    const startedAtMs = sharedNowMs();
    for (const board of boards) {
      for (const { ack, untilMs } of board.messages()) {
        if (untilMs > startedAtMs) nc.publish(ack, WORK_IN_PROGRESS);
      }
    }
    await nc.flush();
    if (disconnectedAtMs === undefined) ownership.noteBeat(startedAtMs);
  }

  function beatSoon(): void {
    // A heartbeat that is published while disconnected would go out at the reconnect, to a server that may not know the message.
    if (round !== undefined || disconnectedAtMs !== undefined || nc.isClosed()) return;
    round = beat()
      .catch((cause: unknown) =>
        note("A round of heartbeats did not reach the server; the next one follows", { cause: String(cause) }),
      )
      .finally(() => {
        round = undefined;
      });
  }

  async function followConnection(): Promise<void> {
    for await (const { type } of nc.status()) {
      if (type === "disconnect") disconnectedAtMs ??= sharedNowMs();
      if (type !== "reconnect") continue;
      const found = nc.info?.server_id;
      if (found !== serverId) {
        ownership.lapse(disconnectedAtMs ?? sharedNowMs());
        note("The broker was restarted, or another one answers now: messages in hand may be with others too", {
          serverId: found,
        });
      }
      serverId = found;
      disconnectedAtMs = undefined;
      beatSoon();
    }
  }

  ownership.noteBeat(sharedNowMs());
  const beating = setInterval(beatSoon, heartbeatMs);
  const following = followConnection();

  return {
    watch: (board) => void boards.push(board),
    async [Symbol.asyncDispose]() {
      clearInterval(beating);
      await nc.close();
      await Promise.all([round, following]);
    },
  };
}
