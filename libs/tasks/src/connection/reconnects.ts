import type { NatsConnection } from "@nats-io/nats-core";

const listeners = new WeakMap<NatsConnection, Set<() => void>>();

async function tellOn(nc: NatsConnection, told: ReadonlySet<() => void>): Promise<void> {
  for await (const { type } of nc.status()) {
    if (type === "reconnect") for (const listener of [...told]) listener();
  }
}

/** Calls `listener` after each reconnect, until the returned function is called. Nothing was heard while the connection was away. */
export function onReconnect(nc: NatsConnection, listener: () => void): () => void {
  const told = listeners.get(nc) ?? new Set<() => void>();
  if (!listeners.has(nc)) {
    listeners.set(nc, told);
    void tellOn(nc, told);
  }
  told.add(listener);
  return () => void told.delete(listener);
}
