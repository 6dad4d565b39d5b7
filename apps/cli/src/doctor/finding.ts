/** The result for one thing that was examined. */
export interface Finding {
  readonly about: string;
  readonly state: "good" | "warning" | "bad";
  /** What was found, and what to do about it if it is not good. */
  readonly text: string;
}

export const good = (about: string, text: string): Finding => ({ about, state: "good", text });
export const warning = (about: string, text: string): Finding => ({ about, state: "warning", text });
export const bad = (about: string, text: string): Finding => ({ about, state: "bad", text });
