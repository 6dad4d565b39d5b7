import type { Outbox } from "./outbox.ts";

/** An event that need not be told at once waits for company so long, ms: a write to the socket costs more than what is in it. */
const COMPANY_MS = 5;

/** What is told on `EVENTS` over one connection, in order. */
export interface EventSender {
  /** Sends an event now, or with the next one that is. Sends nothing on a closed connection. */
  send(subject: string, body: Uint8Array, when: "now" | "soon"): void;
}

/** Nothing waits yet. */
export function openEventSender(outbox: Outbox): EventSender {
  let waiting: { readonly subject: string; readonly body: Uint8Array }[] = [];
  let timer: NodeJS.Timeout | undefined;

  function sendWaiting(): void {
    clearTimeout(timer);
    timer = undefined;
    const events = waiting;
    waiting = [];
    for (const { subject, body } of events) outbox.publish(subject, body);
  }

  return {
    send(subject, body, when) {
      waiting.push({ subject, body });
      if (when === "now") sendWaiting();
      else timer ??= setTimeout(sendWaiting, COMPANY_MS);
    },
  };
}
