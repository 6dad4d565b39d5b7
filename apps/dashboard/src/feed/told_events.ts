import type { StepName } from "@muster/tasks";
import { eventLines } from "@muster/tasks/operate";
import * as z from "zod";

/** Greatest number of events of one second whose content is read. All others are only counted, by lines and subject. */
const READ_A_SECOND = 500;
/** Number of events that are remembered. */
const REMEMBERED = 500;

const Shape = z.object({
  step: z.string(),
  task: z.string(),
  vo: z.string(),
  taskId: z.string(),
  attempt: z.number().catch(1),
  at: z.string(),
  worker: z.string().catch(""),
  tookMs: z.number().optional().catch(undefined),
  reason: z.string().optional().catch(undefined),
});

/** One step of a task's life, as its event told it. Anybody may have written it: escape its texts. */
export type ToldEvent = Readonly<z.infer<typeof Shape>>;

/** What is taken from the messages on `events.>`. */
export interface ToldEvents {
  /** Takes one message. `atMs`: when it came, ms since the epoch; default now. */
  hear(subject: string, data: Uint8Array, atMs?: number): void;
  /** The newest events whose content was read, newest first. */
  newest(): readonly ToldEvent[];
}

/** Who is told of events. */
export interface EventListener {
  /** Steps of one kind, with their number and time. */
  counted(step: StepName, times: number, atMs: number): void;
  /** An event whose content was read. */
  read(event: ToldEvent, atMs: number): void;
}

const LINE_END = 10;

function linesIn(data: Uint8Array): number {
  let lines = 1;
  for (let at = data.indexOf(LINE_END); at >= 0 && at < data.length - 1; at = data.indexOf(LINE_END, at + 1)) lines++;
  return lines;
}

function parse(line: string): ToldEvent | undefined {
  try {
    return Shape.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined; // no event of ours
  }
}

/** Reads events as they come. `now` returns ms since the epoch. */
export function readEvents({ counted, read }: EventListener, now: () => number): ToldEvents {
  const newest: ToldEvent[] = [];
  let second = 0;
  let readInSecond = 0;

  function isToBeRead(atMs: number): boolean {
    const present = Math.floor(atMs / 1_000);
    if (present !== second) readInSecond = 0;
    second = present;
    return readInSecond++ < READ_A_SECOND;
  }

  return {
    hear(subject, data, atMs = now()) {
      const step = subject.slice(subject.lastIndexOf(".") + 1);
      counted(step as StepName, linesIn(data), atMs);
      if (!isToBeRead(atMs)) return;
      for (const [index, line] of eventLines(new TextDecoder().decode(data)).entries()) {
        if (index > 0 && !isToBeRead(atMs)) break;
        const event = parse(line);
        if (event === undefined) continue;
        newest.unshift(event);
        read(event, atMs);
      }
      if (newest.length > REMEMBERED) newest.length = REMEMBERED;
    },
    newest: () => newest,
  };
}
