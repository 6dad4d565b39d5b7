/** Greatest number of items at the same time. */
const CAPACITY = 2 ** 20;
/** How many numbers one place gives before the first of them comes again. */
const TURNS = 2 ** 32;

/**
 * Thousands of items that come and go, each under a number of its own. A number never finds another item that took the same place later.
 *
 * A Map has another fault here: it keeps what was in its smaller table after it grew, once that table is old (see `run/roster.ts`). These
 * arrays stay the same, and hold nothing of an item that is gone.
 */
export class NumberedItems<T> {
  readonly #items: (T | undefined)[] = [];
  readonly #numbers: number[] = [];
  readonly #free: number[] = [];
  #turn = 0;

  get size(): number {
    return this.#items.length - this.#free.length;
  }

  /** Adds an item and returns its number. Throws `RangeError` where 2^20 items are here already. */
  put(item: T): number {
    const at = this.#free.pop() ?? this.#items.length;
    if (at >= CAPACITY) throw new RangeError(`Cannot keep more than ${CAPACITY} at a time: as many wait already`);
    this.#turn = (this.#turn + 1) % TURNS;
    const number = this.#turn * CAPACITY + at;
    this.#items[at] = item;
    this.#numbers[at] = number;
    return number;
  }

  /** Removes the item and returns it; undefined: it is gone. */
  take(number: number): T | undefined {
    const at = number % CAPACITY;
    const item = this.#items[at];
    if (item === undefined || this.#numbers[at] !== number) return undefined;
    this.#items[at] = undefined;
    this.#free.push(at);
    return item;
  }

  /** The items and their numbers. An item may be taken out during the loop. */
  *entries(): Generator<readonly [number, T]> {
    for (const [at, item] of this.#items.entries()) {
      const number = this.#numbers[at];
      if (item !== undefined && number !== undefined) yield [number, item];
    }
  }
}
