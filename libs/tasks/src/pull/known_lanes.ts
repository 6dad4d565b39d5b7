// Tested by tests/src/worker/queue_pause_test.ts
// Tested by tests/src/worker/overrides_test.ts
import type { AnyTask } from "../definition/task.ts";
import { NO_VO } from "../format/names.ts";
import type { Lane } from "../policy/lane.ts";
import type { Lanes } from "../policy/lanes.ts";
import { newLane } from "./lane_consumer.ts";
import type { TaskSourceOptions } from "./task_source.ts";

/** Shortest time between two reads of the configuration for VOs that it does not name, ms. */
const REFRESH_MS = 1_000;

function keyOf(task: string, vo: string): string {
  return `${task} ${vo}`;
}

/** Whether tasks of a VO are to be run. One that is not configured may have been added a moment ago, so asking reads the configuration anew. */
type KnowsVo = (per: AnyTask["per"], vo: string) => boolean;

/** Knows VOs by the watched configuration. */
function knownVos({ broker, configuration }: TaskSourceOptions): KnowsVo {
  let refreshedAtMs = Number.NEGATIVE_INFINITY;

  function refresh(): void {
    const nowMs = performance.now();
    if (nowMs - refreshedAtMs < REFRESH_MS) return;
    refreshedAtMs = nowMs;
    configuration
      .refresh()
      .catch((cause: unknown) => broker.observer.note("Cannot refresh the configuration yet", { cause }));
  }

  return (per, vo) => {
    if (per === "all") return vo === NO_VO;
    if (configuration.current.vos[vo]?.state === "active") return true;
    if (vo !== NO_VO) refresh();
    return false;
  };
}

/** The lanes that a worker has heard of: those of its own tasks and of configured VOs. */
export class KnownLanes {
  readonly #policy: Lanes;
  readonly #tasks: ReadonlyMap<string, AnyTask>;
  readonly #knows;
  readonly #lanes = new Map<string, Lane>();
  readonly #byNumber: Lane[] = [];
  readonly #options: TaskSourceOptions;

  /** Adds each lane to the policy, and removes each lane whose VO is no longer configured. */
  constructor(options: TaskSourceOptions) {
    this.#options = options;
    this.#policy = options.policy.lanes;
    this.#tasks = new Map(options.tasks.map((task) => [task.name, task]));
    this.#knows = knownVos(options);
  }

  [Symbol.iterator](): IterableIterator<Lane> {
    return this.#lanes.values();
  }

  /** Returns the lane, which is known from now on; undefined: this worker does not serve it. */
  find(task: string, vo: string): Lane | undefined {
    const key = keyOf(task, vo);
    const known = this.#lanes.get(key);
    const definition = this.#tasks.get(task);
    if (definition === undefined || !this.#knows(definition.per, vo)) {
      if (known !== undefined) this.#forget(key, known);
      return undefined;
    }
    if (known !== undefined) return known;
    const { inForce, isPaused } = this.#options;
    const lane = newLane({ number: this.#byNumber.length, definition: inForce(definition, vo), vo });
    this.#lanes.set(key, lane);
    this.#byNumber.push(lane);
    this.#policy.add(lane);
    this.#policy.setPaused(lane, isPaused(task, vo));
    return lane;
  }

  /** Takes over what the configuration and the pauses say now of each lane. */
  review(): void {
    const { inForce, isPaused } = this.#options;
    for (const lane of this.#lanes.values()) {
      const { name } = lane.definition;
      const definition = this.#tasks.get(name);
      if (definition !== undefined) this.#policy.redefine(lane, inForce(definition, lane.vo));
      this.#policy.setPaused(lane, isPaused(name, lane.vo));
    }
  }

  /** The known lane of a task's subject. */
  ofSubject(subject: string): Lane | undefined {
    const end = subject.indexOf(".", "tasks.".length);
    return this.#lanes.get(keyOf(subject.slice("tasks.".length, end), subject.slice(end + 1)));
  }

  /** The lane by its number, even if it has been forgotten. */
  numbered(number: number): Lane | undefined {
    return this.#byNumber[number];
  }

  #forget(key: string, lane: Lane): void {
    this.#lanes.delete(key);
    this.#policy.remove(lane);
  }
}
