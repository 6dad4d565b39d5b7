/** An item that can stand on a {@linkcode Roster}, on one at a time. */
export interface Listed {
  /** Its place on the roster; undefined: it is on none. Only the roster reads and writes it. */
  place: number | undefined;
}

/**
 * A set of items for places where many come and go.
 *
 * A `Set` makes a new table each time it has taken in some hundreds of items. V8 leaves in the former table a reference to the new one
 * and to all former items. Once one of these tables has grown old, they keep each other and all later tasks alive until the next long
 * collection. That cost a fifth of the rate. This array stays the same.
 */
export class Roster<T extends Listed> implements Iterable<T> {
  readonly #places: T[] = [];

  get size(): number {
    return this.#places.length;
  }

  has(item: T): boolean {
    return item.place !== undefined && this.#places[item.place] === item;
  }

  add(item: T): void {
    if (this.has(item)) return;
    item.place = this.#places.length;
    this.#places.push(item);
  }

  /** Returns whether the item was here. */
  delete(item: T): boolean {
    const { place } = item;
    if (place === undefined || !this.has(item)) return false;
    // The last one takes its place.
    const last = this.#places.pop() as T;
    if (last !== item) {
      this.#places[place] = last;
      last.place = place;
    }
    item.place = undefined;
    return true;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.#places[Symbol.iterator]();
  }
}
