/** Time between two beats of the main thread, and between two looks of the health thread, ms. */
export const BEAT_MS = 250;

/**
 * Measures how long a counter has not changed. Each call looks at it and returns the time, ms.
 *
 * The time between two looks counts as at most two beats. When the whole process was stopped and goes on, the health
 * thread was stopped as well. It must not take that time for a silence of the main thread.
 */
export function watchSilence(beats: () => number): (nowMs: number) => number {
  let lastBeats = beats();
  let lastLookMs: number | undefined;
  let silentMs = 0;
  return (nowMs) => {
    const passedMs = Math.min(nowMs - (lastLookMs ?? nowMs), 2 * BEAT_MS);
    lastLookMs = nowMs;
    const now = beats();
    silentMs = now === lastBeats ? silentMs + passedMs : 0;
    lastBeats = now;
    return silentMs;
  };
}
