import type { NatsConnection } from "@nats-io/nats-core";
import { describeForbidden, type ForbiddenError, onForbidden } from "./forbidden.ts";
import type { Observer } from "./observer.ts";
import { createReminder } from "./reminder.ts";

/** A right that was refused within so long still is, ms: what cannot work without it tries every few seconds. */
const RECENT_MS = 15_000;
/** Rights that are remembered; beyond that the oldest is forgotten. */
const REMEMBERED = 100;

/** What is refused here costs time, or what people see, and no task. */
const DISPENSABLE = {
  publish: /^(?:events|wake)\.|^\$KV\.workers\./,
  subscription: /^(?:events|wake|later|due)\.|^\$JS\.(?:API|EVENT)\.|^\$KV\./,
};

/** Whether all works without this right, only later or unseen. */
export function isDispensable(operation: keyof typeof DISPENSABLE, subject: string): boolean {
  return DISPENSABLE[operation].test(subject);
}

/** Requests to JetStream's API by their kind. */
const API = /^\$JS\.API\.(?:CONSUMER\.(?:MSG\.NEXT|DURABLE\.CREATE|[A-Z]+)|STREAM\.(?:MSG\.)?[A-Z]+|[A-Z]+)/;
/** The random part of an inbox, and what follows. */
const RANDOM = /\.[A-Za-z0-9]{22}(?:\..*)?$/;

/** The right that an operator gives for `subject`: as wide as it is given in practice. */
function rightFor(subject: string): string {
  const kind = API.exec(subject)?.[0];
  if (kind !== undefined) return kind === subject ? kind : `${kind}.>`;
  if (subject.startsWith("$JS.ACK.")) return "$JS.ACK.>";
  if (RANDOM.test(subject)) return subject.replace(RANDOM, ".>");
  const [first, second, ...more] = subject.split(".");
  return more.length === 0 ? subject : `${first}.${second}.>`;
}

/** Tells of what the server refuses. */
export interface PermissionWatch extends Disposable {
  /** What was refused lately and cannot be done without, one line each. */
  problems(): readonly string[];
}

/** Tells the observer of each right that the server refuses on this connection, of each once a minute at most, until disposed of. */
export function watchPermissions(nc: NatsConnection, observer: Pick<Observer, "alarm">): PermissionWatch {
  const told = new Map<string, { refusedAtMs: number; readonly text: string; readonly isNeeded: boolean }>();
  const reminder = createReminder({ most: REMEMBERED });

  function note({ operation, subject, who }: ForbiddenError): void {
    const right = rightFor(subject);
    const key = `${operation} ${right}`;
    const nowMs = performance.now();
    const known = told.get(key);
    if (known !== undefined) known.refusedAtMs = nowMs;
    if (!reminder.isTime(key)) return;
    const text = describeForbidden({ operation, subject: right }, who);
    told.delete(key);
    told.set(key, { refusedAtMs: nowMs, text, isNeeded: !isDispensable(operation, subject) });
    const [oldest] = told.keys();
    if (told.size > REMEMBERED && oldest !== undefined) told.delete(oldest);
    observer.alarm(text, { operation, subject });
  }

  const stop = onForbidden(nc, note);
  return {
    problems() {
      const sinceMs = performance.now() - RECENT_MS;
      return [...told.values()].flatMap(({ refusedAtMs, text, isNeeded }) =>
        isNeeded && refusedAtMs > sinceMs ? [text] : [],
      );
    },
    [Symbol.dispose]: stop,
  };
}
