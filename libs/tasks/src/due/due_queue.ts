interface Waiting<Item> {
  readonly at: number;
  readonly item: Item;
}

/** Items in the order of the times at which each is to be looked at; a binary heap. */
export interface DueQueue<Item> {
  /** The earliest time, or Infinity. */
  readonly nextAt: number;
  readonly size: number;
  /** Adds an item for `at`. Infinity: never. */
  add(at: number, item: Item): void;
  /** Takes out all items whose time is not after `now`, earliest first. */
  take(now: number): Item[];
}

export function createDueQueue<Item>(): DueQueue<Item> {
  const heap: Waiting<Item>[] = [];
  const timeAt = (index: number) => heap[index]?.at ?? Number.POSITIVE_INFINITY;

  function swap(a: number, b: number): void {
    const [first, second] = [heap[a], heap[b]];
    if (first === undefined || second === undefined) return;
    heap[a] = second;
    heap[b] = first;
  }

  function rise(index: number): void {
    for (let child = index; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (timeAt(parent) <= timeAt(child)) return;
      swap(parent, child);
      child = parent;
    }
  }

  function sink(): void {
    for (let parent = 0; ; ) {
      const [left, right] = [2 * parent + 1, 2 * parent + 2];
      const earlier = timeAt(right) < timeAt(left) ? right : left;
      if (timeAt(earlier) >= timeAt(parent)) return;
      swap(parent, earlier);
      parent = earlier;
    }
  }

  function takeFirst(): Item | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (last !== undefined && heap.length > 0) {
      heap[0] = last;
      sink();
    }
    return first?.item;
  }

  return {
    get nextAt() {
      return timeAt(0);
    },
    get size() {
      return heap.length;
    },
    add(at, item) {
      if (at === Number.POSITIVE_INFINITY) return;
      heap.push({ at, item });
      rise(heap.length - 1);
    },
    take(now) {
      const taken: Item[] = [];
      while (heap.length > 0 && timeAt(0) <= now) {
        const item = takeFirst();
        if (item !== undefined) taken.push(item);
      }
      return taken;
    },
  };
}
