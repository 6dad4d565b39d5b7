import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import type { Log } from "../logging/log.ts";
import { ListenError } from "./listen_error.ts";
import type { FromThread, ThreadStart, ToThread } from "./messages.ts";
import { type Ask, runProbe } from "./probe.ts";
import { type HealthThread, shareThread } from "./shared_thread.ts";
import { BEAT_MS } from "./silence.ts";
import type { CheckState, HealthState } from "./verdict.ts";

/** The health of an app, over HTTP. It answers even while a task holds the event loop. */
export interface Health extends AsyncDisposable {
  /** `http://127.0.0.1:8080`; under it /healthz, /readyz and /metrics. */
  readonly url: string;
  /** The thread that answers, for what else must not wait for the event loop. */
  readonly thread: HealthThread;
  /** Sets a check: a reason makes the app unready, undefined clears it. Cheap where nothing changes. */
  report(check: string, reason: string | undefined): void;
  /** Sets a fact that /readyz shows, e.g. which tasks a scheduler leads. It is no check. */
  tell(fact: string, values: readonly string[]): void;
  /**
   * Asks every 5 s and sets the check by the answer. The check is also red if there is no answer within 5 s. Ends with
   * the health itself.
   */
  probe(check: string, ask: Ask): void;
  /** The app is up. Until then it is not ready. */
  started(): void;
  /** The app was told to stop: not ready from now on. */
  stopping(): void;
}

/** Where and what to serve. */
export interface HealthOptions {
  readonly app: string;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Makes the text of /metrics; called at each scrape. */
  readonly metrics: () => Promise<string>;
  readonly log: Log;
  /** Unready when the event loop is held for longer, ms; default 20 s. */
  readonly unreadySilenceMs?: number;
  /**
   * Not alive when it is held for longer, ms; default 15 minutes. Must be longer than the longest task's timeout, or
   * that task is killed before its end.
   */
  readonly restartSilenceMs?: number;
}

/** Checks of the app's start and stop. Their changes are not logged. */
const START_CHECK = "start";
const STOP_CHECK = "stop";
/** A probe's reason before its first answer. */
const NOT_ASKED = "not asked yet";

interface Checks {
  state(): HealthState;
  /** Returns whether anything changed. */
  set(check: string, reason: string | undefined): boolean;
  tell(fact: string, values: readonly string[]): void;
}

function keepChecks(app: string, log: Log): Checks {
  const checks = new Map<string, CheckState>();
  const facts: Record<string, readonly string[]> = {};
  return {
    state: () => ({ app, checks: [...checks.values()], facts: { ...facts } }),
    tell(fact, values) {
      facts[fact] = values;
    },
    set(check, reason = undefined) {
      const before = checks.get(check);
      const after = reason ?? null;
      if (before !== undefined && before.reason === after) return false;
      const turned = (before?.reason ?? null) === null ? after !== null : after === null;
      const since = turned || before === undefined ? new Date().toISOString() : before.since;
      checks.set(check, { check, reason: after, since });
      // Only a change of colour is logged, not a change of the reason's text.
      const isNews = after !== NOT_ASKED && before?.reason !== NOT_ASKED;
      if (turned && isNews && check !== START_CHECK && check !== STOP_CHECK) {
        if (after === null) log.info({ check }, "ready again");
        else log.warn({ check, reason: after }, "not ready");
      }
      return true;
    },
  };
}

async function firstWord(worker: Worker, { host, port }: HealthOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  worker.once("error", reject);
  worker.once("message", (message: FromThread) => {
    if (message.kind === "listening") resolve(message.port);
    else if (message.kind === "refused") reject(new ListenError({ host, port }, message.code, message.text));
  });
  try {
    return await promise;
  } catch (error) {
    await worker.terminate();
    throw error;
  } finally {
    worker.off("error", reject);
  }
}

/**
 * Starts the health thread. It keeps the process running until it is disposed of. Throws {@linkcode ListenError} when
 * the port cannot be opened.
 */
export async function startHealth(options: HealthOptions): Promise<Health> {
  const { app, host, port, metrics, log, unreadySilenceMs = 20_000, restartSilenceMs = 900_000 } = options;
  const checks = keepChecks(app, log);
  checks.set(START_CHECK, "starting");
  const beats = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const limits = { unreadyMs: unreadySilenceMs, restartMs: restartSilenceMs };
  const workerData: ThreadStart = { host, port, beats, limits, state: checks.state() };
  // The build has `thread.js` here, and the source has `thread.ts`.
  const file = new URL(`./thread${extname(import.meta.filename)}`, import.meta.url);
  // The thread gets no flags of this process: it needs none, and a debugger's flag would stop it.
  const worker = new Worker(file, { workerData, name: "health", execArgv: [] });
  const openPort = await firstWord(worker, options);
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${openPort}`;

  const counter = new Int32Array(beats);
  const beating = setInterval(() => Atomics.add(counter, 0, 1), BEAT_MS).unref();
  const ended = new AbortController();
  const tell = (message: ToThread) => worker.postMessage(message);
  const tellState = () => tell({ kind: "state", state: checks.state() });
  async function scrape(): Promise<void> {
    try {
      tell({ kind: "metrics", text: await metrics() });
    } catch (error) {
      tell({ kind: "metricsFailed", reason: error instanceof Error ? error.message : String(error) });
    }
  }
  worker.on("message", (message: FromThread) => void (message.kind === "scrape" && scrape()));
  worker.on("error", (cause) => {
    // An app without health is soon killed. So it ends at once and says why.
    throw new Error("Cannot go on: the health thread ended", { cause });
  });
  await scrape(); // so that the first scrape finds metrics even during a long task

  function report(check: string, reason: string | undefined): void {
    if (checks.set(check, reason)) tellState();
  }
  const probes: Promise<void>[] = [];
  return {
    url,
    thread: shareThread(worker),
    report,
    probe(check, ask) {
      report(check, NOT_ASKED);
      probes.push(runProbe({ ask, report: (reason) => report(check, reason), signal: ended.signal }));
    },
    tell(fact, values) {
      checks.tell(fact, values);
      tellState();
    },
    started: () => report(START_CHECK, undefined),
    stopping: () => report(STOP_CHECK, "the app is stopping"),
    async [Symbol.asyncDispose]() {
      ended.abort();
      clearInterval(beating);
      await Promise.all(probes);
      await worker.terminate();
    },
  };
}
