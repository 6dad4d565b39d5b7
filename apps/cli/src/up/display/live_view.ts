import { escapeControls, redactUrls } from "@muster/service";
import type { WriteStream } from "node:tty";
import type { Display, Happening, ReadyFacts } from "./display.ts";
import type { Snapshot } from "../figures/snapshot.ts";
import { describeWarning, rememberHappenings } from "./happenings.ts";
import { renderFrame } from "./render.ts";

const ALTERNATE_SCREEN = "\x1b[?1049h\x1b[?25l";
const NORMAL_SCREEN = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
const REDRAW_EVERY_MS = 500;

/** The display on a terminal: lines until everything is ready, then a picture that is drawn twice a second. */
export function openLiveView(terminal: WriteStream): Display {
  const happenings = rememberHappenings();
  let facts: ReadyFacts | undefined;
  let snapshot: Snapshot | undefined;
  let timer: NodeJS.Timeout | undefined;

  function frame(now: Date): string[] {
    if (facts === undefined) return [];
    // A terminal that does not report its size has 0 here.
    const [columns, rows] = [terminal.columns || 80, terminal.rows || 24];
    return renderFrame({ facts, snapshot, happenings: happenings.newest(), now, columns, rows: rows - 1 });
  }
  function draw(): void {
    const lines = frame(new Date()).map((line) => `${line}${CLEAR_LINE}\n`);
    terminal.write(HOME + lines.join("") + CLEAR_BELOW);
  }
  function happened({ at, text }: Happening): void {
    happenings.add({ at, text: redactUrls(text) });
  }
  function tell(text: string): void {
    if (timer === undefined) terminal.write(`${escapeControls(redactUrls(text))}\n`);
    else happened({ at: new Date(), text });
  }
  function close(): void {
    if (timer === undefined) return;
    clearInterval(timer);
    timer = undefined;
    terminal.off("resize", draw);
    terminal.write(NORMAL_SCREEN);
    // The last picture stays on the screen.
    terminal.write(`${frame(new Date()).join("\n")}\n`);
  }

  return {
    progress: tell,
    appLine(app, line) {
      const warning = describeWarning(app, line);
      if (warning !== undefined) tell(warning);
    },
    happened,
    ready(known) {
      facts = { ...known, natsUrl: redactUrls(known.natsUrl), databaseUrl: redactUrls(known.databaseUrl) };
      terminal.write(ALTERNATE_SCREEN);
      terminal.on("resize", draw);
      timer = setInterval(draw, REDRAW_EVERY_MS);
      draw();
    },
    show(newest) {
      snapshot = newest;
    },
    close,
  };
}
