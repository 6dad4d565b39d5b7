import type { Observer } from "../connection/observer.ts";

/** The same thing is told again after so long, ms. */
const AGAIN_MS = 60_000;
/** Things that are remembered as told; beyond that the oldest is forgotten. */
const REMEMBERED = 1_000;

/** Tells the observer, and of the same thing once a minute at most. */
export interface Reporter {
  /** `about` says what is the same; the message may differ. */
  alarm(about: string, message: string, details?: Readonly<Record<string, unknown>>): void;
  note(about: string, message: string, details?: Readonly<Record<string, unknown>>): void;
}

export function createReporter(observer: Observer): Reporter {
  const toldAt = new Map<string, number>();

  function isNews(about: string): boolean {
    const now = performance.now();
    if (now - (toldAt.get(about) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return false;
    toldAt.delete(about);
    toldAt.set(about, now);
    for (const oldest of toldAt.keys()) {
      if (toldAt.size <= REMEMBERED) break;
      toldAt.delete(oldest);
    }
    return true;
  }

  return {
    alarm(about, message, details) {
      if (isNews(about)) observer.alarm(message, details);
    },
    note(about, message, details) {
      if (isNews(about)) observer.note(message, details);
    },
  };
}
