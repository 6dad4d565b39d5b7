import type { Observer } from "../connection/observer.ts";
import { createReminder } from "../connection/reminder.ts";

/** Tells the observer of the same thing at most once a minute. */
export interface Reporter {
  /** `about` names the thing; the message may differ each time. */
  alarm(about: string, message: string, details?: Readonly<Record<string, unknown>>): void;
  note(about: string, message: string, details?: Readonly<Record<string, unknown>>): void;
}

export function createReporter(observer: Observer): Reporter {
  const reminder = createReminder();
  return {
    alarm(about, message, details) {
      if (reminder.isTime(about)) observer.alarm(message, details);
    },
    note(about, message, details) {
      if (reminder.isTime(about)) observer.note(message, details);
    },
  };
}
