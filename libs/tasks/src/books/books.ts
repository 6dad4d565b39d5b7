import { randomUUID } from "node:crypto";
import { Book, type BookParts } from "./book.ts";
import type { ToBooks } from "../tally/book_messages.ts";
import { sharedNowMs } from "../lease/clocks.ts";

/** Time between two looks at the times of leases, ms. */
const TICK_MS = 100;
/** Time for which an unused book is kept, ms. The next task that takes its limiter then needs no reading first. */
const UNUSED_MS = 60_000;

/** All tallies of one process, in the keeper's thread. */
export interface Books extends AsyncDisposable {
  hear(message: ToBooks): void;
}

/** Begins with none. At the end it writes what was released, and waits for a silent broker no longer than one request takes. */
export function openBooks(parts: Omit<BookParts, "line">): Books {
  const books = new Map<string, Book>();
  const line = randomUUID();

  function bookOf(key: string): Book {
    const book = books.get(key) ?? new Book(key, { ...parts, line });
    books.set(key, book);
    return book;
  }

  const ticking = setInterval(() => {
    const nowMs = sharedNowMs();
    for (const [key, book] of books) {
      book.tick(nowMs);
      if (nowMs - book.usedAtMs > UNUSED_MS && book.isIdle) books.delete(key);
    }
  }, TICK_MS);

  return {
    hear(message) {
      if (message.kind === "ask") bookOf(message.want.key).ask(message.want);
      else if (message.kind === "drop") bookOf(message.key).drop(message.id, message.hasBegun);
      else if (message.kind === "late") bookOf(message.key).late(message.id, message.byMs);
      else if (message.kind === "line") bookOf(message.key).line(message.mode, message.sleeps, message);
      else bookOf(message.key).look(message.revision, message.limit);
    },
    async [Symbol.asyncDispose]() {
      clearInterval(ticking);
      await Promise.all(Array.from(books.values(), (book) => book.close()));
    },
  };
}
