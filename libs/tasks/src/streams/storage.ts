import { JetStreamApiError, type StreamInfo } from "@nats-io/jetstream";
import { TimeoutError, type NatsConnection } from "@nats-io/nats-core";
import type { Observer } from "../connection/observer.ts";
import { ForbiddenError } from "../connection/forbidden.ts";
import { ApiRefusedError, askAsMuster } from "../connection/own_requests.ts";
import { type LimitReach, refusalOf, StorageLimitError, streamOf } from "./storage_errors.ts";
import { refusingLimits } from "./stream_limits.ts";
import { STREAM_NAMES } from "./stream_needs.ts";

/** A refusal that was not repeated counts for so long, ms. */
const REFUSAL_MS = 30_000;
/** Room that a small message takes, bytes. A stream with less is full. */
const SMALL_BYTES = 1_024;
/** Longest silence of the broker or of JetStream that counts as normal, ms: a cluster is silent for 8 s when its leader changes. */
export const LONGEST_SILENCE_MS = 15_000;
const JETSTREAM = "JetStream";
/** A subject of no stream. */
const NOTHING = "muster.storage.probe";

/** Why a stream takes no messages. */
interface Problem {
  readonly kind: "write error" | "refused" | "full" | "silent";
  readonly text: string;
  readonly untilMs: number;
  /** Default: the stream alone. */
  readonly reach?: LimitReach;
}

/** What one process knows of whether the broker can store. */
export interface Storage {
  /** Why messages cannot be stored now, one line each; empty: they can, as far as is known. */
  problems(): readonly string[];
  /** Streams that keep a write error, which only a restart of the server mends. */
  brokenStreams(): readonly string[];
  /** Whether nothing is known by which this stream would take no messages: a problem of its own, or one that reaches all streams. */
  takes(stream: string): boolean;
  /** Calls `listener` after each change, until the returned function is called. */
  onChange(listener: () => void): () => void;
  noteStored(subject: string): void;
  noteFailed(subject: string, error: unknown): void;
  /** Looks for limits that are reached in what the streams say of themselves. */
  noteStates(infos: readonly StreamInfo[]): void;
  /**
   * Asks these streams whether they keep a write error. Where one does, all are asked.
   *
   * After "no space left on device" a stream's file store refuses each write until the server is restarted, however much is free
   * by then. Publishers hear nothing. A purge of what is not there tells, and changes nothing (measured with nats-server 2.15.1).
   */
  look(streams: readonly string[]): Promise<void>;
}

/** The limit that is reached, in words; undefined: none is. */
function reachedLimit(info: StreamInfo): string | undefined {
  const reached = refusingLimits(info).findLast(({ used, limit, unit }) =>
    unit === "messages" ? used >= limit : used + SMALL_BYTES > limit,
  );
  return reached === undefined ? undefined : `its ${reached.setting} of ${reached.limit} is reached`;
}

/** The problems of all streams, one each. */
function createProblems(observer: Observer) {
  const found = new Map<string, Problem>();
  const listeners = new Set<() => void>();
  const texts = () => [...found.values()].map(({ text }) => text);
  let told = "";

  function changed(): void {
    const now = texts().join("; ");
    if (now === told) return;
    told = now;
    for (const listener of listeners) listener();
  }

  return {
    found: found as ReadonlyMap<string, Problem>,
    texts,
    onChange(listener: () => void) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    put(stream: string, problem: Problem): void {
      const before = found.get(stream);
      // A refusal says less than a write error, and comes again and again.
      if (before?.kind === "write error" && problem.kind !== "write error") return;
      found.set(stream, problem);
      if (before?.kind !== problem.kind) observer.alarm(problem.text, { stream });
      changed();
    },
    clear(stream: string, kind: Problem["kind"]): void {
      if (found.get(stream)?.kind !== kind) return;
      found.delete(stream);
      if (found.size === 0) observer.note("Messages can be stored again");
      changed();
    },
  };
}

/** Nothing is known yet. */
export function createStorage(nc: NatsConnection, observer: Observer, silentMs = LONGEST_SILENCE_MS): Storage {
  const { found, texts, onChange, put, clear } = createProblems(observer);
  let looking: Promise<void> | undefined;
  const wanted = new Set<string>();
  /** Since when JetStream has not answered; undefined: it has. */
  let silentSinceMs: number | undefined;

  function heard(): void {
    silentSinceMs = undefined;
    clear(JETSTREAM, "silent");
  }

  function notHeard(cause: unknown): void {
    silentSinceMs ??= performance.now();
    if (performance.now() - silentSinceMs < silentMs) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    const text = `JetStream does not answer (${why}); see that it is on, and that its servers have a leader`;
    put(JETSTREAM, { kind: "silent", text, untilMs: Number.POSITIVE_INFINITY, reach: "all streams" });
  }

  function noteStored(subject: string): void {
    if (found.size === 0) return;
    clear(streamOf(subject), "refused");
  }

  function noteFailed(subject: string, error: unknown): void {
    const stream = streamOf(subject);
    if (error instanceof StorageLimitError) {
      const untilMs = performance.now() + REFUSAL_MS;
      put(stream, { kind: "refused", text: error.message, untilMs, reach: error.reach });
    } else if (error instanceof TimeoutError) {
      // A stream with a write error does not answer; the server may be away as well.
      void look(STREAM_NAMES).catch((cause: unknown) =>
        observer.note("Cannot look at the streams' stores yet", { cause }),
      );
    }
  }

  function noteStates(infos: readonly StreamInfo[]): void {
    for (const info of infos.filter(({ config }) => STREAM_NAMES.includes(config.name))) {
      const { name } = info.config;
      const limit = reachedLimit(info);
      if (limit === undefined) {
        clear(name, "full");
        continue;
      }
      const text = `${name} takes no more messages: ${limit}; delete what is not needed, or raise it`;
      put(name, { kind: "full", text, untilMs: Number.POSITIVE_INFINITY });
    }
  }

  async function ask(stream: string): Promise<void> {
    try {
      await askAsMuster(nc, `$JS.API.STREAM.PURGE.${stream}`, { filter: NOTHING });
      heard();
      clear(stream, "write error");
    } catch (error) {
      // A right that is missing is told of by `watchPermissions`, and says nothing of the store.
      if (error instanceof ForbiddenError) return heard();
      if (!(error instanceof ApiRefusedError)) return notHeard(error);
      heard();
      // A stream that has gone is told of by others.
      if (!error.isWriteError) return;
      const text = `${stream} cannot be written: ${error.reason}; see that there is room on the server's disk, then restart nats-server: it keeps this error until then`;
      put(stream, { kind: "write error", text, untilMs: Number.POSITIVE_INFINITY });
    }
  }

  async function askThese(streams: readonly string[]): Promise<void> {
    const now = performance.now();
    for (const [stream, { kind, untilMs }] of found) if (untilMs < now) clear(stream, kind);
    const isAmiss = [...found.values()].some(({ kind }) => kind === "write error");
    await Promise.all((isAmiss ? STREAM_NAMES : streams).map(ask));
  }

  async function askWhatIsWanted(): Promise<void> {
    while (wanted.size > 0) {
      const streams = [...wanted];
      wanted.clear();
      await askThese(streams);
    }
  }

  function look(streams: readonly string[]): Promise<void> {
    for (const stream of streams) wanted.add(stream);
    looking ??= askWhatIsWanted().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  return {
    ...{ problems: texts, onChange, noteStored, noteFailed, noteStates, look },
    takes: (stream) => !found.has(stream) && [...found.values()].every(({ reach }) => reach !== "all streams"),
    brokenStreams: () => [...found].filter(([, { kind }]) => kind === "write error").map(([stream]) => stream),
  };
}

/** Tells `storage` that a write has failed, and returns the error to throw: a `StorageLimitError` where there is no room. */
export function noteFailure(
  storage: Pick<Storage, "noteFailed"> | undefined,
  subject: string,
  cause: unknown,
): unknown {
  const error = cause instanceof JetStreamApiError ? refusalOf(streamOf(subject), cause) : cause;
  storage?.noteFailed(subject, error);
  return error;
}
