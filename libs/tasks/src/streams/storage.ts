import { JetStreamApiError, type StreamInfo } from "@nats-io/jetstream";
import { TimeoutError, type NatsConnection } from "@nats-io/nats-core";
import type { Observer } from "../connection/observer.ts";
import { ForbiddenError } from "../connection/forbidden.ts";
import type { LoopWatch } from "../connection/loop_watch.ts";
import { ApiRefusedError, askAsMuster } from "../connection/own_requests.ts";
import { mayPublish } from "../connection/own_rights.ts";
import { type LimitReach, refusalOf, StorageLimitError, streamOf } from "./storage_errors.ts";
import { refusingLimits } from "./stream_limits.ts";
import { STREAM_NAMES } from "./stream_needs.ts";

/** Time for which a refusal counts that was not repeated, ms. */
const REFUSAL_MS = 30_000;
/** Shortest time between two looks that stored messages lead to, ms. */
const LOOK_AGAIN_MS = 2_000;
/** Room that a small message takes, bytes. A stream with less is full. */
const SMALL_BYTES = 1_024;
/** Longest silence of the broker or of JetStream that counts as normal, ms: a cluster is silent for 8 s when its leader changes. */
export const LONGEST_SILENCE_MS = 15_000;
const JETSTREAM = "JetStream";
/** A subject that no stream stores. */
const NOTHING = "muster.storage.probe";

/** Why a stream accepts no messages. */
interface Problem {
  readonly kind: "write error" | "refused" | "full" | "silent" | "leaderless";
  /** The text that `problems` returns and the alarm says. */
  readonly text: string;
  /** Until when it counts, by `performance.now()`. */
  readonly untilMs: number;
  /** How far the problem reaches. Default: this stream only. */
  readonly reach?: LimitReach;
}

/**
 * What one process knows about the broker's ability to store.
 *
 * Publishers report each success and failure here, and the watches in `broker/watch_storage.ts` call `look`. Workers and health checks read
 * it.
 */
export interface Storage {
  /** Why messages cannot be stored now, one line each; empty: they can, as far as we know. */
  problems(): readonly string[];
  /** Whether a stream has not answered lately. It is no problem yet: a leader may be changing. */
  isInDoubt(): boolean;
  /** Streams that keep a write error. Only a restart of the server clears it. */
  brokenStreams(): readonly string[];
  /** Whether no known problem keeps this stream from accepting messages: neither its own nor one that reaches all streams. */
  takes(stream: string): boolean;
  /** Calls `listener` after each change, until the returned function is called. */
  onChange(listener: () => void): () => void;
  /** A message was stored on `subject`. */
  noteStored(subject: string): void;
  /** A message on `subject` was not stored. */
  noteFailed(subject: string, error: unknown): void;
  /** Looks for reached limits in the streams' own infos. */
  noteStates(infos: readonly StreamInfo[]): void;
  /**
   * Asks these streams whether they keep a write error. Where one does, all are asked.
   *
   * After "no space left on device" a stream's file store refuses each write until the server is restarted, however much space is free by
   * then. Publishers hear nothing. A purge of a subject that is not there reveals it, and changes nothing (measured with nats-server
   * 2.15.1).
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

/** The problems of all streams, at most one for each. */
function createProblems(observer: Observer) {
  const found = new Map<string, Problem>();
  const listeners = new Set<() => void>();
  /** The streams without a leader have one cause, so they share one line. */
  function texts(): string[] {
    const leaderless = [...found].filter(([, { kind }]) => kind === "leaderless");
    const [first] = leaderless;
    const others = [...found.values()].filter(({ kind }) => kind !== "leaderless").map(({ text }) => text);
    return first === undefined
      ? others
      : [`${leaderless.map(([name]) => name).join(", ")}: ${first[1].text}`, ...others];
  }
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
      // A refusal says less than a write error, and is repeated.
      if (before?.kind === "write error" && problem.kind !== "write error") return;
      const isLeaderless = [...found.values()].some(({ kind }) => kind === "leaderless");
      found.set(stream, problem);
      const isKnown = before?.kind === problem.kind || (problem.kind === "leaderless" && isLeaderless);
      if (!isKnown)
        observer.alarm(problem.kind === "leaderless" ? `${stream}: ${problem.text}` : problem.text, { stream });
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

/** Keeps which streams are silent, and which have no leader. */
function createAnswers(
  nc: NatsConnection,
  { put, clear }: Pick<ReturnType<typeof createProblems>, "put" | "clear">,
  { silentMs = LONGEST_SILENCE_MS, loop }: StorageOptions,
) {
  /** When each stream fell silent, by `performance.now()`. One that answered last time is not here. */
  const silentSinceMs = new Map<string, number>();

  function heard(stream: string): void {
    silentSinceMs.delete(stream);
    clear(JETSTREAM, "silent");
    clear(stream, "silent");
    clear(stream, "leaderless");
  }

  function notHeard(stream: string, askedAtMs: number, cause: unknown): void {
    // While this process stood still, it could not hear. So a silence counts from when it went on.
    const sinceMs = Math.max(silentSinceMs.get(stream) ?? askedAtMs, loop?.wentOnAtMs() ?? askedAtMs);
    silentSinceMs.set(stream, sinceMs);
    if (performance.now() - sinceMs < silentMs) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    // A single server that stands still answers for no stream.
    const isOneOfAll = cause instanceof TimeoutError && nc.info?.cluster !== undefined;
    const text = isOneOfAll
      ? `${stream} does not answer (${why}); see that most of the servers run that hold a copy of it`
      : `JetStream does not answer (${why}); see that it is on, and that its servers have a leader`;
    const reach = isOneOfAll ? "stream" : "all streams";
    put(isOneOfAll ? stream : JETSTREAM, { kind: "silent", text, untilMs: Number.POSITIVE_INFINITY, reach });
  }

  /** The server says so only once it has had no leader for longer than a change takes. */
  function leaderless(stream: string, { reason }: ApiRefusedError): void {
    silentSinceMs.delete(stream);
    const text = `no leader, so nothing can be stored there (JetStream says: ${reason}); start the nats-servers that do not run: most of those that hold a copy must`;
    put(stream, { kind: "leaderless", text, untilMs: Number.POSITIVE_INFINITY });
  }

  return { silent: () => [...silentSinceMs.keys()], heard, notHeard, leaderless };
}

interface StorageOptions {
  /** Time without an answer after which that is told, ms, default 15,000. */
  readonly silentMs?: number;
  /** Says when this process stood still. */
  readonly loop?: Pick<LoopWatch, "wentOnAtMs">;
}

/** Opens a storage that knows of no problem yet. */
export function createStorage(nc: NatsConnection, observer: Observer, options: StorageOptions = {}): Storage {
  const { found, texts, onChange, put, clear } = createProblems(observer);
  let looking: Promise<void> | undefined;
  const wanted = new Set<string>();
  const answers = createAnswers(nc, { put, clear }, options);
  /** When the last look began, by `performance.now()`. */
  let lookedAtMs = Number.NEGATIVE_INFINITY;

  function lookAnyway(streams: readonly string[]): void {
    look(streams).catch((cause: unknown) => observer.note("Cannot look at the streams' stores yet", { cause }));
  }

  function noteStored(subject: string): void {
    if (found.size === 0) return;
    clear(streamOf(subject), "refused");
    answers.heard(streamOf(subject));
    // A process that only publishes has no watch that would look whether the other streams have a leader again.
    const isLeaderless = [...found.values()].some(({ kind }) => kind === "leaderless" || kind === "silent");
    if (isLeaderless && performance.now() - lookedAtMs > LOOK_AGAIN_MS) lookAnyway([]);
  }

  function noteFailed(subject: string, error: unknown): void {
    const stream = streamOf(subject);
    if (error instanceof StorageLimitError) {
      const untilMs = performance.now() + REFUSAL_MS;
      put(stream, { kind: "refused", text: error.message, untilMs, reach: error.reach });
    } else if (error instanceof TimeoutError) {
      // A stream with a write error does not answer. The server may be away as well.
      lookAnyway(STREAM_NAMES);
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
    const askedAtMs = performance.now();
    const subject = `$JS.API.STREAM.PURGE.${stream}`;
    // Others look, and tell.
    if (!(await mayPublish(nc, subject))) return answers.heard(stream);
    try {
      await askAsMuster(nc, subject, { filter: NOTHING });
      answers.heard(stream);
      clear(stream, "write error");
    } catch (error) {
      // `watchPermissions` reports a missing right. It says nothing about the store.
      if (error instanceof ForbiddenError) return answers.heard(stream);
      if (!(error instanceof ApiRefusedError)) return answers.notHeard(stream, askedAtMs, error);
      if (error.isLeaderless) return answers.leaderless(stream, error);
      answers.heard(stream);
      // The watch for streams reports one that is gone.
      if (!error.isWriteError) return;
      const text = `${stream} cannot be written: ${error.reason}; see that there is room on the server's disk, then restart nats-server: it keeps this error until then`;
      put(stream, { kind: "write error", text, untilMs: Number.POSITIVE_INFINITY });
    }
  }

  async function askThese(streams: readonly string[]): Promise<void> {
    const now = performance.now();
    lookedAtMs = now;
    for (const [stream, { kind, untilMs }] of found) if (untilMs < now) clear(stream, kind);
    // What was silent or had no leader is asked again with the others, since nothing else would tell of its end.
    const amiss = [...found].filter(([, { kind }]) => kind !== "refused" && kind !== "full").map(([stream]) => stream);
    const isBroken = [...found.values()].some(({ kind }) => kind === "write error");
    const asked = isBroken ? STREAM_NAMES : [...streams, ...amiss, ...answers.silent()];
    await Promise.all([...new Set(asked)].filter((stream) => stream !== JETSTREAM).map(ask));
  }

  async function askWhatIsWanted(): Promise<void> {
    do {
      const streams = [...wanted];
      wanted.clear();
      await askThese(streams);
    } while (wanted.size > 0);
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
    isInDoubt: () => answers.silent().length > 0,
    takes: (stream) => !found.has(stream) && [...found.values()].every(({ reach }) => reach !== "all streams"),
    brokenStreams: () => [...found].filter(([, { kind }]) => kind === "write error").map(([stream]) => stream),
  };
}

/** Tells `storage` that a write failed, and returns the error to throw: a `StorageLimitError` where there is no room. */
export function noteFailure(
  storage: Pick<Storage, "noteFailed"> | undefined,
  subject: string,
  cause: unknown,
): unknown {
  const error = cause instanceof JetStreamApiError ? refusalOf(streamOf(subject), cause) : cause;
  storage?.noteFailed(subject, error);
  return error;
}
