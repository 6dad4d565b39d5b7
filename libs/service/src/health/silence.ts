/** How often the main thread beats and the health thread looks, ms. */
export const BEAT_MS = 250;

/**
 * Measures for how long a counter has stood still. Each call looks at it and returns the time, ms.
 *
 * Time between two looks counts at most two beats: when the whole process was stopped and goes on, the watcher was stopped as well and
 * must not take its own absence for the other thread's silence.
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
