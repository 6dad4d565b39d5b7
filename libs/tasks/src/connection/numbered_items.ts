/** Items at the same time at most. */
const CAPACITY = 2 ** 20;
/** Numbers of one place before one of them comes again. */
const TURNS = 2 ** 32;

/**
 * Items that come and go by the thousand, each under a number that is its own: one that has gone is not found under it, also when another
 * item has taken its place.
 *
 * A Map that was replaced by a larger table keeps what was in the smaller one, once that has grown old (see `run/roster.ts`). These
 * arrays are the same for ever, and hold nothing of an item that has gone.
 */
export class NumberedItems<T> {
  readonly #items: (T | undefined)[] = [];
  readonly #numbers: number[] = [];
  readonly #free: number[] = [];
  #turn = 0;

  get size(): number {
    return this.#items.length - this.#free.length;
  }

  /** Takes in an item and returns its number. Throws `RangeError` where a million are here already. */
  put(item: T): number {
    const at = this.#free.pop() ?? this.#items.length;
    if (at >= CAPACITY) throw new RangeError(`Cannot keep more than ${CAPACITY} at a time: as many wait already`);
    this.#turn = (this.#turn + 1) % TURNS;
    const number = this.#turn * CAPACITY + at;
    this.#items[at] = item;
    this.#numbers[at] = number;
    return number;
  }

  /** Takes the item out and returns it; undefined: it has gone. */
  take(number: number): T | undefined {
    const at = number % CAPACITY;
    const item = this.#items[at];
    if (item === undefined || this.#numbers[at] !== number) return undefined;
    this.#items[at] = undefined;
    this.#free.push(at);
    return item;
  }

  /** The items that are here, with their numbers. Each may be taken out meanwhile. */
  *entries(): Generator<readonly [number, T]> {
    for (const [at, item] of this.#items.entries()) {
      const number = this.#numbers[at];
      if (item !== undefined && number !== undefined) yield [number, item];
    }
  }
}
