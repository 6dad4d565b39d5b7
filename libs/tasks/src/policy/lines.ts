/** A list, first in, first out. Taking one item does not move the others. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #at = 0;

  get size(): number {
    return this.#items.length - this.#at;
  }

  /** The item that `shift` takes next. */
  get first(): T | undefined {
    return this.#items[this.#at];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#at];
    if (item === undefined) return undefined;
    // Cleared at once: an item that is still referred to here grows old, and old garbage costs the collector most.
    this.#items[this.#at] = undefined;
    this.#at++;
    if (this.#at > 1_000 && this.#at * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    return item;
  }
}

/**
 * One line for each key, from which items are taken in turn. So the single task of one VO does not wait for the hundred of another. A
 * turn has as many items as the weight of the line's first item.
 */
export class Lines<T> {
  /**
   * Lines by key. An empty one stays, since there are no more of them than lanes. A Map that gives out as much as it takes in leaves
   * garbage that grows old.
   */
  readonly #lines = new Map<string, Fifo<T>>();
  /** The keys whose lines are not empty. The first one is next. */
  readonly #turns = new Fifo<string>();
  readonly #weightOf: (item: T) => number;
  /** Items that may still be taken in the turn of the first key; 0: its turn has not begun. */
  #left = 0;
  #size = 0;

  constructor(weightOf: (item: T) => number) {
    this.#weightOf = weightOf;
  }

  get size(): number {
    return this.#size;
  }

  push(key: string, item: T): void {
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = new Fifo();
      this.#lines.set(key, line);
    }
    if (line.size === 0) this.#turns.push(key);
    line.push(item);
    this.#size++;
  }

  shift(): T | undefined {
    const key = this.#turns.first;
    const line = key === undefined ? undefined : this.#lines.get(key);
    const item = line?.first;
    if (key === undefined || line === undefined || item === undefined) return undefined;
    if (this.#left === 0) this.#left = this.#weightOf(item);
    line.shift();
    this.#size--;
    this.#left--;
    if (line.size === 0 || this.#left === 0) {
      this.#left = 0;
      this.#turns.shift();
      if (line.size > 0) this.#turns.push(key);
    }
    return item;
  }
}
