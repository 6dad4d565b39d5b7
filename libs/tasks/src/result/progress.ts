// Tested by tests/src/worker/results_test.ts
import { headers as newHeaders, type MsgHdrs } from "@nats-io/nats-core";
import type { Broker } from "../broker/broker.ts";
import { readTimed } from "../broker/timed_entry.ts";
import { boundId } from "../format/delivery.ts";
import { KV_OPERATION, MESSAGE_TTL, oneLine, ROLLUP } from "../format/headers.ts";
import { escapeToken } from "../format/token.ts";

/** Shortest time between two updates of one run that are sent, ms. What comes between them is replaced by the next. */
const PACE_MS = 500;
/** Time to live of the mark that takes an update away, so that watchers see it. */
const MARK_TTL = "60s";

/** How far a run has come, in its own words. */
export interface Progress {
  readonly done: number;
  readonly total: number;
  /** One line; null: none was given. */
  readonly note: string | null;
}

/** A run's progress as the bucket `results` holds it. This is wire format. */
export interface StoredProgress extends Progress {
  readonly attempt: number;
  readonly worker: string;
  /** RFC 3339, UTC, by the worker's clock. */
  readonly at: string;
}

/** The run that reports. */
export interface ReportingRun {
  readonly taskId: string;
  readonly attempt: number;
  /** Longest time that the run can still go on, ms. */
  readonly longestMs: number;
}

/** Key of a run's progress in the bucket `results`. */
export function progressKey(taskId: string): string {
  return `progress.${escapeToken(boundId(taskId))}`;
}

/** The progress in these words; undefined where they make no sense. A run does not fail by its progress. */
export function progressFrom(done: number, total: number, note?: string): Progress | undefined {
  if (!(Number.isFinite(done) && Number.isFinite(total))) return undefined;
  return { done, total, note: note === undefined ? null : oneLine(String(note)) };
}

/** Reads the progress of a task that runs; undefined: it has told none. Throws when the broker does not answer. */
export async function readProgress(
  broker: Pick<Broker, "jsm" | "time">,
  taskId: string,
): Promise<StoredProgress | undefined> {
  return parseProgress((await readTimed(broker, "results", progressKey(taskId))).text);
}

/** The progress in an entry's text; undefined where somebody else has written it. */
export function parseProgress(text: string | undefined): StoredProgress | undefined {
  if (text === undefined) return undefined;
  try {
    const { done, total, note, attempt, worker, at } = JSON.parse(text);
    if (typeof done !== "number" || typeof total !== "number") return undefined;
    return { done, total, note: typeof note === "string" ? note : null, attempt, worker, at };
  } catch {
    return undefined; // an entry that was put there by hand
  }
}

/** What one run has told. The run writes `waiting`; the timer and the end take it away. */
interface Reporting {
  waiting: Progress | undefined;
  timer: NodeJS.Timeout | undefined;
}

/**
 * The progress of a worker's runs. An update is sent without an answer, so it neither blocks nor fails a run, and may be lost.
 *
 * A run that reports none costs nothing.
 */
export class ProgressReports {
  readonly #broker: Pick<Broker, "nc">;
  readonly #worker: string;
  readonly #runs = new Map<string, Reporting>();

  constructor(broker: Pick<Broker, "nc">, worker: string) {
    this.#broker = broker;
    this.#worker = worker;
  }

  /** Sends this update at once, or with the next one. */
  report(run: ReportingRun, progress: Progress): void {
    const known = this.#runs.get(run.taskId);
    if (known?.timer !== undefined) {
      known.waiting = progress;
      return;
    }
    const reporting = known ?? { waiting: undefined, timer: undefined };
    this.#runs.set(run.taskId, reporting);
    this.#send(run, progress);
    reporting.timer = setTimeout(() => this.#goOn(run, reporting), PACE_MS).unref();
  }

  /** The run is over: takes its progress away. */
  end(taskId: string): void {
    if (this.#runs.size === 0) return;
    const reporting = this.#runs.get(taskId);
    if (reporting === undefined) return;
    clearTimeout(reporting.timer);
    this.#runs.delete(taskId);
    const headers = newHeaders();
    headers.set(KV_OPERATION, "PURGE");
    headers.set(ROLLUP, "sub");
    headers.set(MESSAGE_TTL, MARK_TTL);
    this.#publish(taskId, "", headers);
  }

  #goOn(run: ReportingRun, reporting: Reporting): void {
    reporting.timer = undefined;
    const { waiting } = reporting;
    reporting.waiting = undefined;
    if (waiting !== undefined) this.report(run, waiting);
  }

  #send({ taskId, attempt, longestMs }: ReportingRun, progress: Progress): void {
    const stored: StoredProgress = { ...progress, attempt, worker: this.#worker, at: new Date().toISOString() };
    const headers = newHeaders();
    headers.set(MESSAGE_TTL, `${Math.ceil(longestMs / 1_000)}s`);
    this.#publish(taskId, JSON.stringify(stored), headers);
  }

  #publish(taskId: string, body: string, headers: MsgHdrs): void {
    const { nc } = this.#broker;
    if (nc.isClosed() || nc.isDraining()) return;
    nc.publish(`$KV.results.${progressKey(taskId)}`, body, { headers });
  }
}
