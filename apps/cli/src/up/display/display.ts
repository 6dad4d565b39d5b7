import type { Snapshot } from "../figures/snapshot.ts";

/** One thing that happened: a step of a task, or a line of an app. */
export interface Happening {
  readonly at: Date;
  /** One line, not yet escaped. */
  readonly text: string;
}

/** Where `muster up` shows what goes on. Every text that it is given may hold anything, also passwords in URLs: it shows none. */
export interface Display {
  /** Something takes time, begins or has gone wrong. */
  progress(line: string): void;
  /** An app wrote a line to its log. */
  appLine(app: string, line: string): void;
  /** A step of a task. */
  happened(happening: Happening): void;
  /** All is ready; `endsAt` is when it stops by itself. */
  ready(facts: ReadyFacts): void;
  show(snapshot: Snapshot): void;
  /** Nothing more is shown. Call it again at will. */
  close(): void;
}

/** What a user wants to know of a system that is up. */
export interface ReadyFacts {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly readyAt: Date;
  readonly endsAt?: Date;
}
