import type { Database } from "@muster/ledger";
import { type CeState, listCeStates } from "@muster/logic";
import type { Broker } from "@muster/tasks";
import {
  countDeadLetters,
  listQueuePauses,
  listQueues,
  listWorkers,
  type QueuePause,
  type QueueFigures,
  type WorkerRecord,
} from "@muster/tasks/operate";

/** What the servers hold at one moment. A part that could not be read is as it was before, and `troubles` says why. */
export interface Figures {
  /** ms since the epoch. */
  readonly atMs: number;
  readonly queues: readonly QueueFigures[];
  readonly pauses: readonly QueuePause[];
  readonly deadLetters: number;
  readonly workers: readonly WorkerRecord[];
  /** Undefined: the extensions bring no CEs. */
  readonly ces: readonly CeState[] | undefined;
  readonly troubles: readonly Trouble[];
}

/** A server that does not answer as it should. */
export interface Trouble {
  readonly server: "NATS" | "PostgreSQL";
  readonly reason: string;
}

/** Where the figures come from. */
export interface Servers {
  readonly broker: Broker;
  readonly database: Database;
  readonly hasPilots: boolean;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function readNats(broker: Broker): Promise<Pick<Figures, "queues" | "pauses" | "deadLetters" | "workers">> {
  const brief = { ...broker, jsm: broker.briefJsm };
  const [queues, pauses, deadLetters, workers] = await Promise.all([
    listQueues(brief, { rates: "none" }),
    listQueuePauses(brief),
    countDeadLetters(brief),
    listWorkers(brief),
  ]);
  return { queues, pauses, deadLetters, workers };
}

/** Figures before anything was read. */
export const NO_FIGURES: Figures = {
  ...{ atMs: 0, queues: [], pauses: [], deadLetters: 0, workers: [], ces: undefined, troubles: [] },
};

/** Reads the figures once. Never throws. */
export async function readFigures({ broker, database, hasPilots }: Servers, before: Figures): Promise<Figures> {
  const [nats, ces] = await Promise.allSettled([
    readNats(broker),
    hasPilots ? database.transaction(listCeStates) : undefined,
  ]);
  const troubles: Trouble[] = [];
  if (nats.status === "rejected") troubles.push({ server: "NATS", reason: reasonOf(nats.reason) });
  if (ces.status === "rejected") troubles.push({ server: "PostgreSQL", reason: reasonOf(ces.reason) });
  return {
    ...before,
    ...(nats.status === "fulfilled" ? nats.value : {}),
    ces: ces.status === "fulfilled" ? ces.value : before.ces,
    atMs: Date.now(),
    troubles,
  };
}
