import { connect } from "@nats-io/transport-node";

/** Counts what the server is asked for. */
export interface Overheard extends AsyncDisposable {
  /** Requests since the last call, by kind. */
  take(): Promise<{ readonly pulls: number; readonly requests: number }>;
}

/**
 * Listens on the server to all requests of JetStream and all writes to buckets, whoever sends them. A listener of its own sees exactly what the
 * server is asked. But it also answers for consumers that do not exist, in place of the server's "no responders": open it when all of them do.
 */
export async function overhear(url: string): Promise<Overheard> {
  const nc = await connect({ servers: url, name: "bench listener" });
  let [pulls, requests] = [0, 0];
  for (const subject of ["$JS.API.>", "$KV.>"]) {
    nc.subscribe(subject, {
      callback: (_error, message) => {
        requests++;
        if (message.subject.startsWith("$JS.API.CONSUMER.MSG.NEXT.TASKS.")) pulls++;
      },
    });
  }
  await nc.flush();
  return {
    async take() {
      await nc.flush();
      const taken = { pulls, requests };
      [pulls, requests] = [0, 0];
      return taken;
    },
    [Symbol.asyncDispose]: () => nc.close(),
  };
}
