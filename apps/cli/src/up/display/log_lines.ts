import type { Log } from "@muster/service";
import type { Display } from "./display.ts";
import type { Snapshot } from "../figures/snapshot.ts";

/** Time between two lines about the state of the pilots, ms. */
const TELL_EVERY_MS = 5_000;

/** Destination of lines, e.g. a process's standard output. */
export interface LineSink {
  write(text: string): unknown;
}

/** The display without a terminal: our log, and the apps' lines as they write them. */
export function openLogLines(log: Log, sink: LineSink): Display {
  let toldAt = Number.NEGATIVE_INFINITY;
  function show({ summary, deadLetters, ces }: Snapshot): void {
    if (performance.now() - toldAt < TELL_EVERY_MS) return;
    toldAt = performance.now();
    const busy = Object.fromEntries(ces.map(({ name, active, capacity }) => [name, `${active}/${capacity}`]));
    log.info({ ...summary, deadLetters, ces: busy }, "pilots");
  }
  return {
    progress: (line) => log.info(line),
    appLine: (_app, line) => void sink.write(`${line}\n`),
    // The apps themselves log the steps that are worth a line.
    happened() {},
    ready({ dashboard, natsUrl, databaseUrl, dataDir, endsAt }) {
      log.info(
        { dashboard: dashboard.url, natsUrl, databaseUrl, dataDir, ...(endsAt === undefined ? {} : { endsAt }) },
        "all is ready",
      );
    },
    show,
    close() {},
  };
}
