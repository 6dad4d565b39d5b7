// Tested by tests/src/cluster/copies_test.ts
import { JetStreamApiError, type JetStreamManager, PersistMode, type StreamInfo } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { mayChangeStreams } from "../connection/own_rights.ts";
import type { Observer } from "../connection/observer.ts";
import { type CopiesSeen, type CopiesWanted, describeCopies } from "../streams/copies.ts";
import { EVENTS, type StreamNeed } from "../streams/stream_needs.ts";
import { createStream } from "../streams/streams.ts";
import type { Happened } from "./incidents.ts";

/** Time after a refusal in which no stream is tried again, ms. The servers that were missing may be there by then. */
const REFUSED_MS = 60_000;

export interface KeepCopiesOptions {
  readonly nc: NatsConnection;
  readonly jsm: JetStreamManager;
  readonly seen: CopiesSeen;
  readonly observer: Observer;
  /** What to do with a stream that has fewer copies than `wanted`. */
  readonly fewer: "raised" | "left";
  wanted(): CopiesWanted;
  keep(happened: Happened): void;
}

/** Raises the number of a stream's copies where it is too low. Never lowers it. */
export type KeepCopies = (need: StreamNeed, info: StreamInfo) => Promise<void>;

/** Makes a function that keeps the number of copies of the streams it is called with. It says what it did, and each refusal once. */
export function createKeepCopies({ nc, jsm, seen, observer, fewer, wanted, keep }: KeepCopiesOptions): KeepCopies {
  let refusedAtMs = Number.NEGATIVE_INFINITY;
  const told = new Set<string>();

  /** The server does not let a stream with this mode have copies, nor change the mode. Events prove nothing, so they are begun anew. */
  async function makeEventsAnew(need: StreamNeed, copies: CopiesWanted): Promise<void> {
    await jsm.streams.delete(need.name);
    await createStream(jsm, need, copies);
    const text = `${need.name} was made again with ${describeCopies(copies.atLeast)}, and the events before are gone: the server lets no stream with persist_mode async have copies`;
    observer.alarm(text, { stream: need.name });
    keep({ kind: "made again", about: need.name, text });
  }

  function tellRefusal({ config }: StreamInfo, { atLeast, by }: CopiesWanted, reason: string): void {
    const { name, num_replicas: has } = config;
    if (told.has(name)) return;
    told.add(name);
    const text = `${name} has ${describeCopies(has)} and not ${atLeast}: JetStream says "${reason}"; start more servers, or lower MUSTER_REPLICAS`;
    if (by === "setting") observer.alarm(text, { stream: name });
    else observer.note(text);
  }

  return async (need, info) => {
    const { name, num_replicas: has, persist_mode: mode } = info.config;
    const before = seen.of(name);
    seen.note(info);
    const copies = wanted();
    if (fewer === "left" || has >= copies.atLeast) return;
    if (performance.now() - refusedAtMs < REFUSED_MS || !(await mayChangeStreams(nc))) return;
    try {
      if (name === EVENTS && mode === PersistMode.Async) return await makeEventsAnew(need, copies);
      seen.note(await jsm.streams.update(name, { num_replicas: copies.atLeast }));
    } catch (error) {
      if (!(error instanceof JetStreamApiError)) throw error;
      refusedAtMs = performance.now();
      return tellRefusal(info, copies, error.message);
    }
    told.delete(name);
    const text = `${name} had ${describeCopies(has)} and gets ${copies.atLeast}, as set`;
    // It had enough before, so somebody has lowered it.
    if (before >= copies.atLeast) observer.alarm(text, { stream: name });
    else observer.note(text);
  };
}
