import { once } from "node:events";
import { connect } from "@nats-io/transport-node";
import { STARTS, type ToldStart } from "../actors/muster_verbs.ts";

/** Longest time for which a start is waited for, ms: three ack waits. */
const PATIENCE_MS = 60_000;

/** The starts of tasks as all workers tell them, those that are killed too. */
export interface HeardStarts extends AsyncDisposable {
  /** Resolves when so many tasks have begun. */
  some(count: number): Promise<void>;
  /** Returns the time from publish to the first start of each task, ms. Throws when some have not begun after a minute. */
  all(): Promise<readonly number[]>;
}

/** Listens to the first start of each of `count` tasks, from now on. */
export async function hearStarts(url: string, count: number): Promise<HeardStarts> {
  const nc = await connect({ servers: url, name: "bench listener" });
  const firsts = new Map<number, number>();
  const news = new EventTarget();
  nc.subscribe(STARTS, {
    callback: (_error, message) => {
      const { number, afterMs } = message.json<ToldStart>();
      if (!firsts.has(number)) firsts.set(number, afterMs);
      news.dispatchEvent(new Event("start"));
    },
  });
  await nc.flush();
  async function some(wanted: number): Promise<void> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    while (firsts.size < wanted) {
      await once(news, "start", { signal }).catch((cause) => {
        throw new Error(`Cannot go on: ${firsts.size} of ${wanted} tasks have begun`, { cause });
      });
    }
  }
  return {
    some,
    async all() {
      await some(count);
      return [...firsts.values()];
    },
    [Symbol.asyncDispose]: () => nc.close(),
  };
}
