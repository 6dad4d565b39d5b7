import type { Markup } from "../markup/html.ts";
import { type Mood, tag } from "../markup/parts.ts";

const MOODS: Readonly<Record<string, Mood>> = {
  done: "good",
  retry: "warn",
  contended: "warn",
  abandoned: "warn",
  paused: "warn",
  dead: "bad",
  dropped: "bad",
  refused: "bad",
};

/** The mood of a step of a task, or of its state. */
export function moodOf(step: string): Mood {
  return MOODS[step] ?? "plain";
}

/** A step of a task, or its state, as a word on its colour. */
export function stepTag(step: string): Markup {
  return tag(step, moodOf(step));
}
