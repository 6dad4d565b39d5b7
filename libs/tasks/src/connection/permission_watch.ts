import type { NatsConnection } from "@nats-io/nats-core";
import { describeForbidden, type ForbiddenError, onForbidden } from "./forbidden.ts";
import type { Observer } from "./observer.ts";
import { createReminder, type Reminder } from "./reminder.ts";

/** Time for which a refused right counts as still refused, ms. Whatever needs the right tries again every few seconds. */
const RECENT_MS = 15_000;
/** Greatest number of rights that are remembered. Beyond it the oldest is forgotten. */
const REMEMBERED = 100;

/** Rights whose refusal costs time or visibility, and no task. */
const DISPENSABLE = {
  publish: /^(?:events|audit|wake|drain)\.|^\$KV\.workers\.|^\$JS\.API\.STREAM\.LEADER\.|^\$SYS\.REQ\.USER\.INFO$/,
  subscription: /^(?:events|wake|drain|later|due)\.|^\$JS\.(?:API|EVENT)\.|^\$KV\./,
};

/** Whether everything works without this right, only later or unseen. */
export function isDispensable(operation: keyof typeof DISPENSABLE, subject: string): boolean {
  return DISPENSABLE[operation].test(subject);
}

/** The kind of a request to JetStream's API, with the bucket where it is about one: a user may have it for some buckets. */
const API =
  /^\$JS\.API\.(?:CONSUMER\.(?:MSG\.NEXT|DURABLE\.CREATE|[A-Z]+)|STREAM\.(?:MSG\.)?[A-Z]+|[A-Z]+)(?:\.KV_[a-z]+)?/;
/** Pulls from lanes. */
const PULLS = "$JS.API.CONSUMER.MSG.NEXT.TASKS.";
/** The random part of an inbox, and what follows. */
const RANDOM = /\.[A-Za-z0-9]{22}(?:\..*)?$/;

/** The right that an operator grants for `subject`, as wide as it is granted in practice. */
export function rightFor(subject: string): string {
  const kind = API.exec(subject)?.[0];
  if (kind !== undefined) return kind === subject ? kind : `${kind}.>`;
  if (subject.startsWith("$JS.ACK.")) return "$JS.ACK.>";
  if (RANDOM.test(subject)) return subject.replace(RANDOM, ".>");
  const [first, second, ...more] = subject.split(".");
  return more.length === 0 ? subject : `${first}.${second}.>`;
}

/** Reports what the server refuses. */
export interface PermissionWatch extends Disposable {
  /** Rights that were refused lately and that Muster cannot work without, one line each. */
  problems(): readonly string[];
}

/** What was told of each connection. An app that cannot start yet watches its connection anew at each try. */
const reminders = new WeakMap<NatsConnection, Reminder>();

function reminderOf(nc: NatsConnection): Reminder {
  const reminder = reminders.get(nc) ?? createReminder({ most: REMEMBERED });
  reminders.set(nc, reminder);
  return reminder;
}

/** Reports each right that the server refuses on this connection to the observer, at most once a minute, until disposed of. */
export function watchPermissions(nc: NatsConnection, observer: Pick<Observer, "alarm">): PermissionWatch {
  const told = new Map<string, { readonly refusedAtMs: number; readonly text: string; readonly isNeeded: boolean }>();
  const reminder = reminderOf(nc);

  function note({ operation, subject, who }: ForbiddenError): void {
    const right = rightFor(subject);
    const key = `${operation} ${right}`;
    // What pulls from lanes names one of them: the whole kind of request is for nobody but operators.
    const named = subject.startsWith(PULLS) ? subject : right;
    const text = describeForbidden({ operation, subject: named }, who);
    told.delete(key);
    told.set(key, { refusedAtMs: performance.now(), text, isNeeded: !isDispensable(operation, subject) });
    const [oldest] = told.keys();
    if (told.size > REMEMBERED && oldest !== undefined) told.delete(oldest);
    if (reminder.isTime(key)) observer.alarm(text, { operation, subject });
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
