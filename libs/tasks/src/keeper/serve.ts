/** What the keeper does in its thread, which may be one that it shares. It imports only what runs under type stripping. */
import type { MessagePort } from "node:worker_threads";
import { openKeptBooks } from "../books/kept_books.ts";
import { openLockBucket } from "../lease/lock_bucket.ts";
import { openRenewals } from "../lease/renewals.ts";
import { connectNats } from "../connection/connection.ts";
import { watchPermissions } from "../connection/permission_watch.ts";
import { Board } from "./board.ts";
import { openHeartbeats } from "./heartbeats.ts";
import { Ownership } from "./ownership.ts";
import type { FromThread, ThreadSettings, ToThread } from "./thread_messages.ts";

/** Keeps messages and leases until `port` says that it is enough. Throws where the connection is lost for good. */
export async function serve(port: MessagePort, settings: ThreadSettings): Promise<void> {
  const tell = (message: FromThread) => port.postMessage(message);
  const { access, name, heartbeatMs, windowMs } = settings;
  const nc = await connectNats({ ...access, name });
  watchPermissions(nc, { alarm: (message, details = {}) => tell({ kind: "alarm", message, details }) });
  const heartbeats = openHeartbeats({
    nc,
    ownership: new Ownership(windowMs, settings.ownership),
    heartbeatMs,
    note: (message, details) => tell({ kind: "note", message, details }),
  });
  const renewals = openRenewals(await openLockBucket(nc), (id, reason) => tell({ kind: "lost", id, reason }));

  const books = openKeptBooks(nc, (message) => tell({ kind: "books", message }));

  let isClosing = false;
  async function close(): Promise<void> {
    isClosing = true;
    renewals[Symbol.dispose]();
    await books[Symbol.asyncDispose]();
    await heartbeats[Symbol.asyncDispose]();
    port.close();
  }

  port.on("message", (message: ToThread) => {
    if (message.kind === "board") heartbeats.watch(new Board(message.board));
    else if (message.kind === "keep") renewals.keep(message.id, message.lease);
    else if (message.kind === "books") books.hear(message.message);
    else void close();
  });
  tell({ kind: "ready" });

  const cause = await nc.closed();
  if (!isClosing)
    throw new Error(
      `Cannot keep leases and messages: the connection to NATS was closed (${String(cause ?? "no reason")})`,
      { cause },
    );
}
