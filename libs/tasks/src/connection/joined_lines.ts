import { MOST_EVENTS } from "../format/event_lines.ts";

/** Greatest size of joined lines, bytes: about that of the largest event. So `EVENTS` needs no more room for its number of messages. */
const MOST_BYTES = 2_048;

/** A line that may travel with others of its subject, as one message. */
export interface Line {
  readonly subject: string;
  /** JSON of one object. */
  readonly text: string;
  /** What it tells of. Lines of the same thing keep their order, whatever their subjects. */
  readonly about: string;
  /** Whether it is, as a rule, the first line of what it tells of. Such lines go before those of others, so that those can be joined. */
  readonly begins: boolean;
}

/** Lines of one subject, in their order. */
export class JoinedLines {
  readonly subject: string;
  readonly #texts: string[] = [];
  readonly #abouts: string[] = [];
  #bytes = 0;

  constructor(subject: string) {
    this.subject = subject;
  }

  get count(): number {
    return this.#texts.length;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#texts.length < MOST_EVENTS && this.#bytes + bytes <= MOST_BYTES;
  }

  tellsOf(about: string): boolean {
    return this.#abouts.includes(about);
  }

  add({ text, about }: Line, bytes: number): void {
    this.#texts.push(text);
    this.#abouts.push(about);
    this.#bytes += bytes + 1;
  }

  /** One line after the other. The last one has no line break, so that a single one is only itself. */
  body(): string {
    return this.#texts.join("\n");
  }
}

/** The lines that `line` may join; undefined: none. What goes later in `list` must not tell of the same thing. */
function companyOf({ subject, about }: Line, bytes: number, list: readonly JoinedLines[]): JoinedLines | undefined {
  for (let index = list.length - 1; index >= 0; index--) {
    const joined = list[index];
    if (joined?.subject === subject) return joined.hasRoomFor(bytes) ? joined : undefined;
    if (joined?.tellsOf(about)) return undefined;
  }
  return undefined;
}

/** Joins lines that wait for the same write. */
export class LineJoiner {
  readonly #beginnings: JoinedLines[] = [];
  readonly #others: JoinedLines[] = [];

  add(line: Line): void {
    const isFirst = line.begins && !this.#others.some((joined) => joined.tellsOf(line.about));
    const list = isFirst ? this.#beginnings : this.#others;
    const bytes = Buffer.byteLength(line.text);
    let joined = companyOf(line, bytes, list);
    if (joined === undefined) {
      joined = new JoinedLines(line.subject);
      list.push(joined);
    }
    joined.add(line, bytes);
  }

  /** In the order in which they must be sent. */
  *[Symbol.iterator](): Iterator<JoinedLines> {
    yield* this.#beginnings;
    yield* this.#others;
  }
}
