import type { StreamInfo } from "@nats-io/jetstream";
import type { AnyTask } from "../definition/task.ts";
import type { Broker } from "../broker/broker.ts";
import { isStreamGone, TASKS } from "../streams/streams.ts";

/**
 * Time between two surveys, ms, spread by a fifth either way so that workers do not ask all at once. A survey finds tasks whose wake was
 * lost, and tasks that come back without one.
 */
const SURVEY_MS = 1_000;

/** Decides when a worker asks what waits: about each second, or sooner on request, with one survey at a time. */
export class Surveys {
  readonly #survey: () => Promise<void>;
  #underWay: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Whether another survey was requested while one was under way. */
  #isWanted = false;
  #surveyedAtMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  /** `survey` must not throw. The first one is made when `soon` is called. */
  constructor(survey: () => Promise<void>) {
    this.#survey = survey;
  }

  /**
   * Sets the time of the next survey anew. Two surveys are never closer together than a twentieth of the usual time. One that is under
   * way is followed by another, since the server may have answered it before the caller's news.
   */
  soon(ms = 0): "now" | "under way" | "later" {
    clearTimeout(this.#timer);
    if (this.#stopped) return "later";
    if (this.#underWay !== undefined) {
      this.#isWanted = true;
      return "under way";
    }
    const waitMs = Math.max(ms, this.#surveyedAtMs + SURVEY_MS / 20 - performance.now());
    if (waitMs <= 0) {
      this.#now();
      return "now";
    }
    this.#timer = setTimeout(() => this.#now(), waitMs);
    return "later";
  }

  /** Makes no more surveys. Settles when the one under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#underWay;
  }

  #now(): void {
    this.#surveyedAtMs = performance.now();
    this.#isWanted = false;
    this.#underWay = this.#survey().finally(() => {
      this.#underWay = undefined;
      this.soon(this.#isWanted ? 0 : SURVEY_MS * (0.8 + Math.random() * 0.4));
    });
  }
}

/** A subject of TASKS that holds messages, in flight or waiting. */
export interface WaitingSubject {
  readonly task: string;
  readonly vo: string;
  readonly count: number;
}

async function infoOfTasks(broker: Broker, filter: string): Promise<StreamInfo | undefined> {
  try {
    return await broker.briefJsm.streams.info(TASKS, { subjects_filter: filter });
  } catch (error) {
    if (!isStreamGone(error)) throw error;
    await broker.declareMissing();
    return undefined;
  }
}

/**
 * Lists the subjects of `tasks` that hold messages, with one request for all task names.
 *
 * Declares the stream where it was deleted, and renews its source where that was lost. Throws when nobody answers.
 */
export async function countWaiting(broker: Broker, tasks: readonly AnyTask[]): Promise<readonly WaitingSubject[]> {
  const [only] = tasks;
  const filter = tasks.length === 1 && only !== undefined ? `tasks.${only.name}.>` : "tasks.>";
  const info = await infoOfTasks(broker, filter);
  if (info === undefined) return [];
  broker.copies.note(info);
  broker.source.note(info);
  return Object.entries(info.state.subjects ?? {}).map(([subject, count]) => {
    const [, task = "", ...vo] = subject.split(".");
    return { task, vo: vo.join("."), count };
  });
}
