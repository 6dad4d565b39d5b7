import { type NatsAccess, plainAccess } from "../access/nats_access.ts";
import type { BooksPort, FromBooks } from "../tally/book_messages.ts";
import type { LeaseKeeper } from "../lease/lease.ts";
import { LeaseState } from "../lease/lease_state.ts";
import type { Observer } from "../connection/observer.ts";
import { NumberedItems } from "../connection/numbered_items.ts";
import { type MessagesInHand, openInHand } from "./in_hand.ts";
import { ACK_WAIT_MS } from "../streams/streams.ts";
import { Ownership } from "./ownership.ts";
import { type KeeperThread, type SharedThread, startKeeperThread } from "./keeper_thread.ts";
import type { FromThread, ThreadSettings, ToThread } from "./thread_messages.ts";

/** Time by which ownership ends before the server's ack wait, ms. */
const OWNERSHIP_MARGIN_MS = 5_000;
/** Longest time that the thread may take to close its connection before it is ended, ms. */
const CLOSE_GRACE_MS = 2_000;

export interface KeeperOptions {
  readonly access: NatsAccess;
  /** Shown in the server's list of connections. */
  readonly name: string;
  readonly observer: Observer;
  /** The thread to work in; default: one of its own. */
  readonly thread?: SharedThread | undefined;
  /** Time between two heartbeats of a message, ms; default 5,000. */
  readonly heartbeatMs?: number;
  /** The consumers' ack wait, ms; default 20,000. */
  readonly ackWaitMs?: number;
}

/**
 * A thread with its own connection that keeps the messages and leases of a worker. So a task that uses the CPU for long loses neither
 * its own lease and message nor those of other tasks.
 *
 * It stops at the `untilMs` of each message and lease, which is the task's timeout. A task that never ends must not hold them for ever.
 */
export interface Keeper extends LeaseKeeper, MessagesInHand, AsyncDisposable {
  /** Aborts when the thread has crashed. Then nothing is owned or renewed any more, and the process should end. */
  readonly signal: AbortSignal;
  /** The tallies of read-write locks and limiters, which the thread keeps. */
  readonly books: BooksPort;
}

/** Starts the thread, and resolves when it is connected. Throws with the reason when it cannot connect. */
export async function openKeeper(options: KeeperOptions): Promise<Keeper> {
  const { access, name, observer, heartbeatMs = 5_000, ackWaitMs = ACK_WAIT_MS } = options;
  const windowMs = ackWaitMs - OWNERSHIP_MARGIN_MS;
  if (!(windowMs > heartbeatMs)) {
    throw new RangeError(
      `Cannot keep messages with a heartbeat of ${heartbeatMs} ms and an ack wait of ${ackWaitMs} ms: the ack wait must be over 5 s longer`,
    );
  }
  const ownership = new Ownership(windowMs);
  const settings: ThreadSettings = {
    access: plainAccess(access),
    name,
    heartbeatMs,
    windowMs,
    ownership: ownership.shared,
  };
  const thread = startKeeperThread(options.thread, settings);
  await untilReady(thread);
  return keepThrough(thread, ownership, observer);
}

/** Waits for the thread's first message, "ready". Throws where the thread ends before. */
async function untilReady({ listen, ended }: KeeperThread): Promise<void> {
  const { promise: ready, resolve } = Promise.withResolvers<void>();
  listen(() => resolve());
  const failed = ended.then((cause) => {
    // An error from another thread has lost its class.
    const reason = cause instanceof Object && "message" in cause ? cause.message : cause;
    throw new Error(`Cannot open the keeper: ${reason}`, { cause });
  });
  // After the start nobody waits for it any more.
  failed.catch(() => undefined);
  await Promise.race([ready, failed]);
}

/** Makes the keeper of `thread`, which has said that it is ready. */
export function keepThrough(thread: KeeperThread, ownership: Ownership, observer: Observer): Keeper {
  const leases = new NumberedItems<{ readonly state: LeaseState; onLost(reason: string): void }>();
  const crashed = new AbortController();
  let hearBooks = (_message: FromBooks) => {};
  let isClosing = false;

  const tell = (message: ToThread) => thread.post(message);

  function crash(cause: unknown): void {
    if (isClosing || crashed.signal.aborted) return;
    ownership.end();
    crashed.abort(
      new Error("Cannot keep leases and messages: the keeper's thread has ended; restart the process", { cause }),
    );
    observer.alarm("The thread of heartbeats and renewals has crashed; all leases and messages in hand are given up", {
      cause,
    });
    for (const [id, { state, onLost }] of leases.entries()) {
      leases.take(id);
      if (state.end("lost")) onLost("the thread that renews it has crashed");
    }
    hearBooks({ kind: "crashed", reason: "the thread that renews it has crashed" });
  }

  thread.listen((message: FromThread) => {
    if (message.kind === "note") observer.note(message.message, message.details);
    if (message.kind === "alarm") observer.alarm(message.message, message.details);
    if (message.kind === "books") hearBooks(message.message);
    if (message.kind !== "lost") return;
    leases.take(message.id)?.onLost(message.reason);
  });
  void thread.ended.then(crash);
  // The keeper alone must not keep a process alive. An open connection of the process does.
  thread.unref();

  const inHand = openInHand({ ownership, observer, addBoard: (board) => tell({ kind: "board", board }) });

  return {
    ...inHand,
    signal: crashed.signal,
    books: {
      post(message) {
        if (crashed.signal.aborted)
          hearBooks({ kind: "crashed", reason: "the thread that would renew it has crashed" });
        else tell({ kind: "books", message });
      },
      listen(listener) {
        hearBooks = listener;
      },
    },
    keep(lease, onLost) {
      if (crashed.signal.aborted) queueMicrotask(() => onLost("the thread that would renew it has crashed"));
      const id = leases.put({ state: new LeaseState(lease.ttlMs, lease.shared), onLost });
      tell({ kind: "keep", id, lease });
      return () => void leases.take(id);
    },
    async [Symbol.asyncDispose]() {
      if (isClosing) return;
      isClosing = true;
      ownership.end();
      if (crashed.signal.aborted) return;
      thread.ref();
      tell({ kind: "close" });
      const ending = setTimeout(() => thread.end(), CLOSE_GRACE_MS);
      await thread.ended;
      clearTimeout(ending);
    },
  };
}
