import type { NatsConnection } from "@nats-io/nats-core";

/** An event that need not be told at once waits for company so long, ms: a write to the socket costs more than what is in it. */
const COMPANY_MS = 5;

/** What is told on `EVENTS` over one connection, in order. */
export interface EventSender {
  /** Sends an event now, or with the next one that is. Sends nothing on a closed connection. */
  send(subject: string, body: Uint8Array, when: "now" | "soon"): void;
}

/** Nothing waits yet. */
export function openEventSender(nc: NatsConnection): EventSender {
  let waiting: { readonly subject: string; readonly body: Uint8Array }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function sendWaiting(): void {
    clearTimeout(timer);
    timer = undefined;
    const events = waiting;
    waiting = [];
    if (nc.isClosed()) return;
    for (const { subject, body } of events) nc.publish(subject, body);
  }

  return {
    send(subject, body, when) {
      waiting.push({ subject, body });
      if (when === "now") sendWaiting();
      else timer ??= setTimeout(sendWaiting, COMPANY_MS);
    },
  };
}
