import { connect } from "@nats-io/transport-node";

/** Counts the requests that the server gets. */
export interface Overheard extends AsyncDisposable {
  /** Requests since the last call, by kind. */
  take(): Promise<{ readonly pulls: number; readonly requests: number }>;
}

/**
 * Listens on the server to all requests to JetStream and all writes to buckets, from all clients. A separate listener sees exactly the
 * requests that the server gets.
 *
 * But it also receives requests for consumers that do not exist, so the server no longer reports "no responders". Open it only when all
 * consumers exist.
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
