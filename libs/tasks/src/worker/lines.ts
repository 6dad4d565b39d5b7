/** First in, first out, without moving the rest at each take. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #at = 0;

  get size(): number {
    return this.#items.length - this.#at;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#at];
    if (item === undefined) return undefined;
    // Cleared at once: what is still referred to here grows old, and old garbage costs the collector most.
    this.#items[this.#at] = undefined;
    this.#at++;
    if (this.#at > 1_000 && this.#at * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#at);
      this.#at = 0;
    }
    return item;
  }
}

/** One line for each key, from which items are taken in turn: one VO's single task does not wait for another's hundred. */
export class Lines<T> {
  /** An empty one stays: there are no more than lanes, and a Map that gives out as much as it takes in leaves garbage that grows old. */
  readonly #lines = new Map<string, Fifo<T>>();
  /** The keys whose lines are not empty, the next one first. */
  readonly #turns = new Fifo<string>();
  #size = 0;

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
    const key = this.#turns.shift();
    const line = key === undefined ? undefined : this.#lines.get(key);
    if (key === undefined || line === undefined) return undefined;
    const item = line.shift();
    this.#size--;
    if (line.size > 0) this.#turns.push(key);
    return item;
  }
}
