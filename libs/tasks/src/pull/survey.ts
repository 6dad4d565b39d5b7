import type { StreamInfo } from "@nats-io/jetstream";
import type { AnyTask } from "../definition/task.ts";
import type { Broker } from "../broker/broker.ts";
import { isSourceLost, isStreamGone, TASKS } from "../streams/streams.ts";

/** A fall-back for lost wakes and for what comes back without one, ms; spread over the workers by a fifth either way. */
const SURVEY_MS = 1_000;

/** When a worker asks what waits: about each second, sooner where it is asked to, one survey at a time. */
export class Surveys {
  readonly #survey: () => Promise<void>;
  #underWay: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Whether one was asked for while one was under way. */
  #isWanted = false;
  #surveyedAtMs = Number.NEGATIVE_INFINITY;
  #stopped = false;

  /** `survey` must not throw. None is under way or waited for yet. */
  constructor(survey: () => Promise<void>) {
    this.#survey = survey;
  }

  /**
   * Sets the time of the next one anew; they are never closer together than a twentieth of their usual distance. One that is under way
   * is followed by another: it may have been answered before what it is asked for.
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

  /** There will be no more. Settles when the one that is under way has ended. */
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

/** A subject of TASKS on which messages lie, in flight or waiting. */
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
 * Lists the subjects of `tasks` that hold messages, with one request however many task names there are.
 *
 * Declares the stream when it has gone, and mends its source when that was lost. Throws when nobody answers.
 */
export async function countWaiting(broker: Broker, tasks: readonly AnyTask[]): Promise<readonly WaitingSubject[]> {
  const [only] = tasks;
  const filter = tasks.length === 1 && only !== undefined ? `tasks.${only.name}.>` : "tasks.>";
  const info = await infoOfTasks(broker, filter);
  if (info === undefined) return [];
  if (isSourceLost(info)) await broker.renewSource();
  return Object.entries(info.state.subjects ?? {}).map(([subject, count]) => {
    const [, task = "", ...vo] = subject.split(".");
    return { task, vo: vo.join("."), count };
  });
}
