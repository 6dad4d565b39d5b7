/** What can stand on a {@linkcode Roster}: on one at a time. */
export interface Listed {
  /** Its place there, for the roster alone; undefined: it is on none. */
  place: number | undefined;
}

/**
 * Those who are here now, where many come and go.
 *
 * A Set makes a new table each time it has taken in some hundreds, and V8 leaves in the table before a reference to the new one, and
 * to all who were there. Once one of these tables has grown old, they keep each other, and all tasks since, until the next long
 * collection: a fifth of the rate. This array is the same for ever.
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

  /** Returns whether it was here. */
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
