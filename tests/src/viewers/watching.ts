import type { Broker } from "@muster/tasks";
import type { TestDatabase } from "../support/database.ts";

/** A browser that watches a page, as far as a server sees it. */
export interface Watcher {
  /** Updates of the page that came, and their bytes. */
  updates(): number;
  bytes(): number;
  leave(): Promise<void>;
}

/** Opens the stream of a page's updates. Resolves when its first bytes came. */
export async function watch(url: string): Promise<Watcher> {
  const leaving = new AbortController();
  const response = await fetch(url, { headers: { accept: "text/event-stream" }, signal: leaving.signal });
  if (response.status !== 200 || response.body === null) throw new Error(`Cannot watch ${url}: ${response.status}`);
  let updates = 0;
  let bytes = 0;
  const decoder = new TextDecoder();
  async function read(body: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const chunk of body) {
        bytes += chunk.length;
        updates += decoder.decode(chunk, { stream: true }).split("event: page\n").length - 1;
      }
    } catch (error) {
      if (!leaving.signal.aborted) throw error;
    }
  }
  const reading = read(response.body);
  return {
    updates: () => updates,
    bytes: () => bytes,
    async leave() {
      leaving.abort();
      await reading;
    },
  };
}

/** What the servers were asked, by anybody. */
export interface Asked {
  take(): Promise<{ readonly requests: number; readonly transactions: number }>;
  end(): void;
}

/** Counts the requests to JetStream, and the transactions of the database. */
export async function countAsked({ nc }: Broker, { sql }: Pick<TestDatabase, "sql">): Promise<Asked> {
  let requests = 0;
  const subscription = nc.subscribe("$JS.API.>", { callback: () => void requests++ });
  async function transactions(): Promise<number> {
    // Our own count is in the next one.
    const [row] = await sql<{ count: string }>(
      "select xact_commit + xact_rollback as count from pg_stat_database where datname = current_database()",
    );
    return Number(row?.count);
  }
  let before = await transactions();
  return {
    async take() {
      await nc.flush();
      const now = await transactions();
      const taken = { requests, transactions: now - before };
      requests = 0;
      before = now;
      return taken;
    },
    end: () => subscription.unsubscribe(),
  };
}
