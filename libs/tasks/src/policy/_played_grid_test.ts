import type { Priority } from "../definition/traits.ts";
import { laneOf, type Task, taskOf } from "./_policy_test.ts";
import type { Lane } from "./lane.ts";
import { Permits } from "./permits.ts";
import { Policy, type Pull } from "./policy.ts";

export interface PlayedLane {
  readonly vo: string;
  readonly priority: Priority;
  readonly weight: number;
  /** Messages that wait at the server from the start. */
  readonly pending: number;
}

export interface Play {
  readonly lanes: readonly PlayedLane[];
  readonly permits: number;
  /** Lengths of answers and tasks, ms. They are used one after the other, and then again from the first. */
  readonly delaysMs: readonly number[];
}

interface Happening {
  readonly atMs: number;
  happen(): void;
}

/** A worker, its tasks and its server, played in time that stands still between one happening and the next. */
export class PlayedGrid {
  readonly policy: Policy<Task>;
  readonly permits: Permits;
  readonly lanes: readonly Lane[];
  /** The lanes whose tasks have started, in order. */
  readonly started: Lane[] = [];
  nowMs = 0;
  readonly #waits = new Map<Lane, number>();
  readonly #happenings: Happening[] = [];
  readonly #delaysMs: readonly number[];
  readonly #onPull: (pull: Pull) => void;
  readonly #onStart: (task: Task) => void;
  #delay = 0;
  #sequence = 0;

  /** `onPull` and `onStart` look at each decision; what they throw ends the play. */
  constructor(
    play: Play,
    onPull: (pull: Pull) => void = () => undefined,
    onStart: (task: Task) => void = () => undefined,
  ) {
    const weights = new Map(play.lanes.map(({ vo, weight }) => [vo, weight]));
    this.permits = new Permits(play.permits);
    this.policy = new Policy({
      permits: this.permits,
      arrived: () => 0,
      waiting: () => 0,
      isClosed: () => false,
      weightOf: (vo) => weights.get(vo) ?? 1,
      isReplicated: () => false,
    });
    this.#delaysMs = play.delaysMs;
    this.#onPull = onPull;
    this.#onStart = onStart;
    this.lanes = play.lanes.map(({ vo, priority }, number) => laneOf(vo, priority, number));
    for (const [number, lane] of this.lanes.entries()) {
      this.policy.lanes.add(lane);
      this.publish(lane, play.lanes[number]?.pending ?? 0);
    }
  }

  /** Messages that nobody has pulled yet. */
  get waiting(): number {
    let waiting = 0;
    for (const count of this.#waits.values()) waiting += count;
    return waiting;
  }

  publish(lane: Lane, count: number): void {
    this.#waits.set(lane, (this.#waits.get(lane) ?? 0) + count);
    for (let each = 0; each < count; each++) lane.wake(++this.#sequence);
  }

  /** Carries out what is decided now, as a worker does. */
  goOn(): void {
    for (let pull = this.policy.nextPull(this.nowMs); pull !== undefined; pull = this.policy.nextPull(this.nowMs)) {
      this.#onPull(pull);
      const { lane, count, kind } = pull;
      if (kind === "now") this.#later(() => this.#answer(lane, count));
      else this.#later(() => this.#answerStanding(lane));
    }
    for (let task = this.policy.nextStart(); task !== undefined; task = this.policy.nextStart()) {
      this.#onStart(task);
      this.permits.take();
      this.started.push(task.lane);
      this.#later(() => {
        this.permits.giveBack();
        this.policy.rate.count();
      });
    }
  }

  /** Lets the next thing happen: an answer, a task's end, or the time that the policy waits for. Returns whether there was one. */
  step(): boolean {
    this.goOn();
    const [next] = this.#happenings;
    const { lookAgainAtMs } = this.policy;
    if (next === undefined && lookAgainAtMs === Number.POSITIVE_INFINITY) return false;
    if (next === undefined || lookAgainAtMs < next.atMs) {
      this.nowMs = lookAgainAtMs;
    } else {
      this.nowMs = next.atMs;
      this.#happenings.shift();
      next.happen();
    }
    return true;
  }

  #later(happen: () => void): void {
    const atMs = this.nowMs + (this.#delaysMs[this.#delay++ % this.#delaysMs.length] ?? 1);
    const at = this.#happenings.findIndex((other) => other.atMs > atMs);
    this.#happenings.splice(at < 0 ? this.#happenings.length : at, 0, { atMs, happen });
  }

  #answer(lane: Lane, count: number): void {
    for (let each = 0; each < count; each++) {
      if (!this.#deliver(lane)) {
        this.policy.lanes.emptied(lane, this.nowMs);
        return;
      }
    }
  }

  #answerStanding(lane: Lane): void {
    if (!this.#deliver(lane)) this.policy.lanes.emptied(lane, this.nowMs);
  }

  #deliver(lane: Lane): boolean {
    const waits = this.#waits.get(lane) ?? 0;
    if (waits === 0) return false;
    this.#waits.set(lane, waits - 1);
    this.policy.lanes.delivered(lane, { count: 1, streamSequence: ++this.#sequence, pending: waits - 1 }, this.nowMs);
    this.policy.buffer.add(taskOf(lane));
    return true;
  }
}
