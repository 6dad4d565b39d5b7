import type { Snapshot } from "../figures/snapshot.ts";

/** One thing that happened: a step of a task, or a line from an app. */
export interface Happening {
  readonly at: Date;
  /** One line. It is not escaped yet. */
  readonly text: string;
}

/** Shows what `muster up` does. Any text that it is given may hold a password in a URL. It shows no passwords. */
export interface Display {
  /** Something takes time, begins, or has failed. */
  progress(line: string): void;
  /** An app wrote a line to its log. */
  appLine(app: string, line: string): void;
  /** A step of a task. */
  happened(happening: Happening): void;
  /** Everything is ready. `endsAt` is the time when it stops by itself. */
  ready(facts: ReadyFacts): void;
  show(snapshot: Snapshot): void;
  /** Shows nothing more. It may be called several times. */
  close(): void;
}

/** The facts that a user needs about a system that is up. */
export interface ReadyFacts {
  /** Where the dashboard is, and the token that lets somebody act there. Only a terminal shows the token. */
  readonly dashboard: { readonly url: string; readonly token: string };
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  /** Whether the user has the `nats` command. Without it `muster pub` is shown in its place. */
  readonly hasNats: boolean;
  readonly readyAt: Date;
  readonly endsAt?: Date;
}
